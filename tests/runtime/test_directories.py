"""Where files are kept, and what moves them."""

from __future__ import annotations

import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from amikiln.runtime.directories import (
    cache_directory,
    make_scratch_directory,
    state_directory,
)


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AMIKILN_STATE", "AMIKILN_CACHE", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_the_default_is_below_the_home_directory(tmp_path: Path) -> None:
    assert state_directory() == tmp_path / ".local/state/amikiln"
    assert cache_directory() == tmp_path / ".cache/amikiln"


def test_xdg_variables_move_the_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/other-cache")
    assert state_directory() == Path("/var/state/amikiln")
    assert cache_directory() == Path("/var/other-cache/amikiln")


def test_own_variables_win_and_may_be_relative(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    monkeypatch.setenv("AMIKILN_STATE", "here")
    monkeypatch.setenv("AMIKILN_CACHE", "/scratch")
    assert state_directory() == tmp_path / "here"
    assert cache_directory() == Path("/scratch")


def test_empty_variables_are_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AMIKILN_STATE", "")
    monkeypatch.setenv("XDG_STATE_HOME", "")
    assert state_directory() == tmp_path / ".local/state/amikiln"


@pytest.mark.parametrize("folder", ["short", "so-long-a-name-that-no-socket-fits" * 3])
def test_a_scratch_directory_can_hold_a_socket_of_sshs(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / folder).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / folder))
    scratch = make_scratch_directory()
    try:
        assert scratch.stat().st_mode & 0o777 == 0o700
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{scratch}/connection.{'x' * 16}")
    finally:
        shutil.rmtree(scratch)
