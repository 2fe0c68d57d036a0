"""scripts/lib/go_program.py: where a program is, and nothing compiled unasked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from amikiln_localcloud.registry import go_programs

LIB = Path(__file__).parents[2] / "scripts" / "lib"
NAME = "terraform-provider-aws"


def asked(cache: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, LIB / "go_program.py", *words],
        env={**os.environ, "AMIKILN_CACHE": str(cache), "PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_not_there_is_not_compiled_where_only_a_look_is_asked(tmp_path: Path) -> None:
    done = asked(tmp_path, NAME, "--only-if-built")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [(), ("--only-if-built",)])
def test_what_is_there_is_told(words: tuple[str, ...], tmp_path: Path) -> None:
    directory = go_programs.read_pinned(LIB / "go" / NAME).directory_in(tmp_path)
    directory.mkdir()
    done = asked(tmp_path, NAME, *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{directory / NAME}\n", "")


def test_a_name_without_a_folder_is_refused(tmp_path: Path) -> None:
    done = asked(tmp_path, "terraform")
    assert done.returncode == 2
    assert NAME in done.stderr


@pytest.mark.parametrize("folder", sorted((LIB / "go").iterdir()), ids=lambda path: path.name)
def test_every_folder_names_a_program(folder: Path) -> None:
    assert list(go_programs.read_pinned(folder).packages) == [folder.name]
