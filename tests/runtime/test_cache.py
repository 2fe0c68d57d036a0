"""A result in the cache is made once, whole or not at all."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from amikiln.runtime.cache import compute_key, make_once


def test_it_is_made_once(tmp_path: Path) -> None:
    calls: list[Path] = []

    def make(directory: Path) -> None:
        calls.append(directory)
        (directory / "file").write_text("made")

    for _ in range(2):
        assert (make_once(tmp_path / "thing-1", make) / "file").read_text() == "made"
    assert len(calls) == 1


def test_what_fails_leaves_nothing_and_can_be_tried_again(tmp_path: Path) -> None:
    def fail(directory: Path) -> None:
        (directory / "half").write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        make_once(tmp_path / "thing-1", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".thing-1.lock"]
    assert make_once(tmp_path / "thing-1", lambda directory: None).is_dir()


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".thing-1.partial").mkdir()
    make_once(tmp_path / "thing-1", lambda directory: None)
    assert {path.name for path in tmp_path.iterdir()} == {".thing-1.lock", "thing-1"}


def test_two_at_once_make_it_once(tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()
    calls: list[Path] = []

    def make(directory: Path) -> None:
        calls.append(directory)
        begun.set()
        assert go_on.wait(60)

    threads = [
        threading.Thread(target=make_once, args=(tmp_path / "thing-1", make)) for _ in range(2)
    ]
    threads[0].start()
    assert begun.wait(60)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


def test_keys_tell_parts_apart() -> None:
    assert compute_key("ab", "c") != compute_key("a", "bc")
    assert compute_key("a") == compute_key(b"a")
