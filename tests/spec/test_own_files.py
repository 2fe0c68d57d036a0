"""What lies beside image.toml is found, and what is at no known place is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from amikiln.errors import SpecError
from amikiln.spec import own_files


def test_own_steps_get_the_number_of_their_place(tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    steps.mkdir()
    (steps / "after-images-models.sh").write_text("true\n")
    (steps / "before-seal.sh").write_text("false\n")
    assert own_files.read(tmp_path).steps == {
        "steps/45-after-images-models.sh": b"true\n",
        "steps/85-before-seal.sh": b"false\n",
    }


def test_own_checks_are_found_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "models-there.sh").write_text("test -d /models\n")
    assert own_files.read(tmp_path).checks == {"models-there": b"test -d /models\n"}


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    for folder, names in {
        "steps": ["install.sh", "after-images.py"],
        "checks": ["-rf.sh", "Models.sh"],
    }.items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_text("true\n")
    with pytest.raises(SpecError, match="after-docker, after-builder") as caught:
        own_files.read(tmp_path)
    assert len(caught.value.what.splitlines()) == 4


def test_an_image_without_own_files_has_none(tmp_path: Path) -> None:
    found = own_files.read(tmp_path / "image.toml")
    assert (found.directory, found.steps, found.checks) == (tmp_path, {}, {})
