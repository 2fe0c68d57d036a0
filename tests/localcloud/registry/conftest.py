"""Stand-ins for programs, and a reporter that remembers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

StandIn = Callable[[str, str], None]


class Notes:
    """A reporter that remembers what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def group(self, title: str) -> None:
        self.lines.append(title)

    def line(self, text: str) -> None:
        self.lines.append(text)

    def status(self, text: str) -> AbstractContextManager[None]:
        self.lines.append(text)
        return nullcontext()


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that comes first on PATH."""
    directory = tmp_path / "programs"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory), prepend=":")
    return directory


@pytest.fixture
def stand_in(programs: Path) -> StandIn:
    """Put a shell script in a program's place: ``stand_in(name, script)``."""

    def put(name: str, script: str) -> None:
        program = programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return put
