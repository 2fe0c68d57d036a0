"""The user's own files are found, and those without an allowed name are faults."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amikiln.spec.own_files import BUILT_IN_CHECKS, read_checks, read_steps


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
    assert "is a directory" in faults[1]


def test_a_folder_that_gives_nothing_is_a_fault_and_not_nothing_to_do(tmp_path: Path) -> None:
    (tmp_path / "steps").mkdir()
    (tmp_path / "checks").write_text("true\n")
    faults: list[str] = []
    assert (read_steps(tmp_path, faults), read_checks(tmp_path, faults)) == ({}, {})
    assert [fault.removeprefix(f"{tmp_path}/").split(":")[0] for fault in faults] == [
        "steps",
        "checks",
    ]
    assert "is empty" in faults[0]
    assert "no folder that can be read" in faults[1]


@pytest.mark.parametrize("name", ["check", "Checks", "step", "STEPS"])
def test_a_folder_that_was_meant_otherwise_is_a_fault(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    faults: list[str] = []
    read_steps(tmp_path, faults)
    read_checks(tmp_path, faults)
    (fault,) = faults
    assert fault.startswith(f"{tmp_path / name}: is not read; the folder is called ")


def test_an_image_without_own_files_has_none(tmp_path: Path) -> None:
    faults: list[str] = []
    assert (read_steps(tmp_path, faults), read_checks(tmp_path, faults)) == ({}, {})
    assert faults == []


UNFIT = {
    "CRLF": (b"#!/bin/sh\r\ntrue\r\n", "CRLF line ends"),
    "one CRLF": (b"#!/bin/sh\ntrue\r\n", "CRLF line ends"),
    "CRLF without a last LF": (b"true\r", "CRLF line ends"),
    "CR alone": (b"#!/bin/sh\rtrue\rfalse", "CRLF line ends"),
    "byte order mark": (b"\xef\xbb\xbf#!/bin/sh\ntrue\n", "byte order mark"),
    "UTF-16": ("true\n".encode("utf-16"), "byte order mark"),
    "Latin-1": ("# \xe9t\xe9\ntrue\n".encode("latin-1"), "not UTF-8 (byte 2)"),
    "a program": (b"\x7fELF\x02\x00\x00", "a NUL byte"),
    "Python": (b"#!/usr/bin/env python3\nimport os\n", "is run by sh -eu"),
    "nothing": (b"", "has no command"),
    "comments only": (b"#!/bin/sh\n\n  # to be written\n", "has no command"),
}


@pytest.mark.parametrize(("content", "why"), UNFIT.values(), ids=UNFIT.keys())
def test_a_file_that_sh_would_not_run_as_meant_is_refused_by_name(
    tmp_path: Path, content: bytes, why: str
) -> None:
    for name in ("steps/before-seal.sh", "checks/models.sh"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(content)
    faults: list[str] = []
    assert (read_steps(tmp_path, faults), read_checks(tmp_path, faults)) == ({}, {})
    assert [fault.split(":")[0] for fault in faults] == [
        f"{tmp_path}/steps/before-seal.sh",
        f"{tmp_path}/checks/models.sh",
    ]
    assert all(why in fault for fault in faults)


@pytest.mark.parametrize(
    "content",
    [
        b"true\n",
        b"#!/bin/sh\ntrue\n",
        b"#!/bin/sh -eu\ntrue\n",
        b"#!/usr/bin/env bash\ntrue\n",
        b"#! /bin/dash\ntrue\n",
        "echo \u00e9\n".encode(),
        b"printf 'a\rb'\n",
        b"true",
    ],
)
def test_a_script_for_sh_is_read_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "models.sh").write_bytes(content)
    faults: list[str] = []
    assert read_checks(tmp_path, faults) == {"models": content}
    assert faults == []


def put(file: Path, content: str = "true\n") -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text(content)
    return file


@pytest.mark.parametrize(
    "name",
    [
        *(".before-seal.sh.swp", "#before-seal.sh#", "before-seal.sh~", "before-seal.sh.bak"),
        *("before-seal.sh.orig", "README", "README.md", "NOTES.md", ".gitkeep", "4913.tmp"),
    ],
)
def test_what_editors_leave_and_text_for_people_is_left_out(tmp_path: Path, name: str) -> None:
    put(tmp_path / "steps" / "before-seal.sh")
    put(tmp_path / "checks" / "mine.sh")
    for folder in ("steps", "checks"):
        put(tmp_path / folder / name, "no script")
    faults: list[str] = []
    assert read_steps(tmp_path, faults).keys() == {"steps/85-before-seal.sh"}
    assert read_checks(tmp_path, faults).keys() == {"mine"}
    assert faults == []


def test_a_folder_with_nothing_but_what_is_left_out_is_empty(tmp_path: Path) -> None:
    put(tmp_path / "steps" / "README.md")
    faults: list[str] = []
    assert read_steps(tmp_path, faults) == {}
    assert "is empty but for what is left out (README.md)" in faults[0]


@pytest.mark.parametrize("name", ["before-seal.sh.disabled", "before-seal", "seal.sh", "x.py"])
def test_every_other_file_is_a_step_or_a_fault(tmp_path: Path, name: str) -> None:
    put(tmp_path / "steps" / name)
    faults: list[str] = []
    assert read_steps(tmp_path, faults) == {}
    assert "is at no known place" in faults[0]
    assert "left out are hidden files" in faults[0]


def test_a_link_is_followed_within_the_image_and_not_out_of_it(tmp_path: Path) -> None:
    image = tmp_path / "image"
    (image / "steps").mkdir(parents=True)
    put(image / "common.sh")
    outside = put(tmp_path / "outside.sh")
    (image / "steps" / "before-seal.sh").symlink_to("../common.sh")
    (image / "steps" / "after-docker.sh").symlink_to(outside)
    (image / "steps" / "after-images.sh").symlink_to("nowhere.sh")
    faults: list[str] = []
    assert read_steps(image, faults).keys() == {"steps/85-before-seal.sh"}
    assert f"is a link to {outside}, outside of the image's folder" in faults[0]
    assert "cannot be read: No such file" in faults[1]


def test_a_pipe_is_not_read_from(tmp_path: Path) -> None:
    (tmp_path / "steps").mkdir()
    os.mkfifo(tmp_path / "steps" / "before-seal.sh")
    faults: list[str] = []
    assert read_steps(tmp_path, faults) == {}
    assert "is no regular file" in faults[0]


@pytest.mark.parametrize("name", sorted(BUILT_IN_CHECKS))
def test_a_check_with_the_name_of_a_built_in_one_is_a_fault(tmp_path: Path, name: str) -> None:
    put(tmp_path / "checks" / f"{name}.sh")
    faults: list[str] = []
    assert read_checks(tmp_path, faults) == {}
    assert f"{name} is the name of a built-in check" in faults[0]
