"""Files and directories appear as a whole or not at all."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from amikiln.runtime.files import (
    fill_atomically,
    remove_partial_directories,
    write_atomically,
    write_file,
)


def test_a_file_is_replaced_with_the_mode_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "new" / "state.json"
    before = os.umask(0o022)
    try:
        write_atomically(file, "old")
        assert file.stat().st_mode & 0o777 == 0o644
        write_atomically(file, b"n\xffw", mode=0o600)
    finally:
        os.umask(before)
    assert file.read_bytes() == b"n\xffw"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "state.json"
    write_atomically(file, "old")

    def fail(_descriptor: int) -> None:
        raise OSError("no space")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        write_atomically(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_directory_appears_when_it_is_filled(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    with fill_atomically(target) as partial:
        (partial / "a").write_text("1")
        assert not target.exists()
    assert [entry.name for entry in target.parent.iterdir()] == ["target"]
    assert (target / "a").read_text() == "1"


def test_a_directory_that_was_not_filled_is_removed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with pytest.raises(ValueError, match="half"), fill_atomically(target) as partial:
        (partial / "a").write_text("1")
        raise ValueError("half")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_was_filling_does_not_stay(tmp_path: Path) -> None:
    leftover = tmp_path / ".target.partial"
    leftover.mkdir()
    (leftover / "a").write_text("of before")
    with fill_atomically(tmp_path / "target") as partial:
        assert list(partial.iterdir()) == []
    leftover.mkdir()
    remove_partial_directories(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["target"]


def test_a_file_that_a_user_names_is_replaced_as_a_whole_wherever_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, link = tmp_path / "new" / "result.json", tmp_path / "link.json"
    link.symlink_to(file)
    write_file(link, b"first")
    assert link.is_symlink()
    assert file.read_bytes() == b"first"
    monkeypatch.setattr(os, "fsync", lambda descriptor: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_file(file, b"second")
    assert file.read_bytes() == b"first"
    assert list(file.parent.iterdir()) == [file]


def test_a_pipe_that_a_user_names_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_file(pipe, b"content")
    reader.join(timeout=20)
    assert found == [b"content"]
    assert pipe.is_fifo()
