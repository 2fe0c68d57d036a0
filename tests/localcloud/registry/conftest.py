"""Fake programs, and a reporter that remembers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fakes import Recorder

FakeProgram = Callable[[str, str], None]


@pytest.fixture
def report() -> Recorder:
    return Recorder()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that comes first on PATH."""
    directory = tmp_path / "programs"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory), prepend=":")
    return directory


@pytest.fixture
def fake_program(programs: Path) -> FakeProgram:
    """Put a shell script in a program's place: ``fake_program(name, script)``."""

    def put(name: str, script: str) -> None:
        program = programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return put
