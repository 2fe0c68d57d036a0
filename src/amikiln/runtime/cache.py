"""Things that take long to make, kept in the cache: made once, whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def key_of(*parts: str | bytes) -> str:
    """Return 16 hex digits that change when any of the parts does."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]


def kept(directory: Path, make: Callable[[Path], None]) -> Path:
    """Return ``directory``, after ``make`` filled it if it was not there yet.

    Several processes may ask at once: one makes it, the others wait for that one.

    Args:
        directory: Where it is kept; its name should hold a key of everything that made it.
        make: Fills the empty directory that it is given. When it raises, nothing is kept.
    """
    if directory.is_dir():
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    with (directory.parent / f".{directory.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if directory.is_dir():
            return directory
        # The lock is ours, so whoever began these is dead.
        for leftover in directory.parent.glob(f".{directory.name}.making-*"):
            shutil.rmtree(leftover)
        making = Path(tempfile.mkdtemp(prefix=f".{directory.name}.making-", dir=directory.parent))
        try:
            make(making)
            os.replace(making, directory)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
    return directory
