"""Writes files and directories that are there as a whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_atomically(path: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Replace a file's content: readers, and a crash, see the old content or the new one.

    Args:
        path: The file; its directory is created if it does not exist.
        content: The new content; text is encoded as UTF-8.
        mode: The permission bits, from which the process's umask is taken away.

    Raises:
        OSError: The disk is full, for example; the old file is untouched.
    """
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            # A file system may write the new name before the content: after a crash of the host
            # the file would be empty.
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_file(file: Path, content: bytes) -> None:
    """Write a file that a user named: as a whole, or not at all.

    Args:
        file: Replaced if it is there; a link stays one. Its directory is created if needed.
        content: The new content.

    Raises:
        OSError: It cannot be written; an old file is untouched.
    """
    if file.exists() and not file.is_file():
        # A pipe, or /dev/null: nothing may take its place.
        file.write_bytes(content)
    else:
        write_atomically(Path(os.path.realpath(file)), content)


@contextmanager
def fill_atomically(directory: Path) -> Iterator[Path]:
    """Yield an empty directory to fill; it gets its real name when the block ends without error.

    Only one process at a time may fill the same directory.

    Args:
        directory: Must not exist yet, or be empty; its parent is created.

    Raises:
        OSError: The directory cannot be created or renamed.
    """
    partial = partial_directory(directory)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        partial.rename(directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def partial_directory(directory: Path) -> Path:
    """Return the name that a directory has while it is being filled."""
    return directory.with_name(f".{directory.name}.partial")


def remove_partial_directories(parent: Path) -> None:
    """Remove what a killed process was filling; nobody may be filling anything there now."""
    for leftover in parent.glob(".*.partial"):
        shutil.rmtree(leftover, ignore_errors=True)
