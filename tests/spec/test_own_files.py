"""The user's own files are found, and those without an allowed name are faults."""

from __future__ import annotations

from pathlib import Path

from amikiln.spec.own_files import read_checks, read_steps


def test_own_steps_get_the_number_of_their_place(tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    steps.mkdir()
    (steps / "after-images-models.sh").write_text("true\n")
    (steps / "before-seal.sh").write_text("false\n")
    faults: list[str] = []
    assert read_steps(tmp_path, faults) == {
        "steps/45-after-images-models.sh": b"true\n",
        "steps/85-before-seal.sh": b"false\n",
    }
    assert faults == []


def test_own_checks_are_found_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "models-there.sh").write_text("test -d /models\n")
    faults: list[str] = []
    assert read_checks(tmp_path, faults) == {"models-there": b"test -d /models\n"}
    assert faults == []


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    for folder, names in {
        "steps": ["install.sh", "after-images.py"],
        "checks": ["-rf.sh", "Models.sh"],
    }.items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_text("true\n")
    (tmp_path / "steps" / "before-seal.sh").mkdir()
    faults: list[str] = []
    assert (read_steps(tmp_path, faults), read_checks(tmp_path, faults)) == ({}, {})
    files = [fault.split(": ")[0].removeprefix(f"{tmp_path}/") for fault in faults]
    assert files == [
        "steps/after-images.py",
        "steps/before-seal.sh",
        "steps/install.sh",
        "checks/-rf.sh",
        "checks/Models.sh",
    ]
    assert "after-docker, after-builder" in faults[0]
    assert "cannot be read" in faults[1]


def test_an_image_without_own_files_has_none(tmp_path: Path) -> None:
    faults: list[str] = []
    assert (read_steps(tmp_path, faults), read_checks(tmp_path, faults)) == ({}, {})
    assert faults == []
