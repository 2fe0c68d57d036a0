"""Fixtures for tests of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.terminal import Terminal
from harness import Harness


@pytest.fixture
def terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Terminal:
    return Terminal(monkeypatch, capsys, tmp_path)


@pytest.fixture
def account(terminal: Terminal, harness: Harness) -> Terminal:
    """Return a terminal whose commands use the harness's account."""
    terminal.use(harness.cloud.endpoint)
    return terminal
