"""Results that take long to make, kept in the cache directory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from amikiln.runtime.files import fill_atomically
from amikiln.runtime.progress import Reporter


def compute_key(*parts: str | bytes) -> str:
    """Return 16 hex digits that change when any of the parts does."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]


def make_once(
    directory: Path, make: Callable[[Path], None], report: Reporter | None = None
) -> Path:
    """Return ``directory``, after ``make`` filled it if it did not exist yet.

    Several processes may ask at once: one makes it, the others wait for that one.

    Args:
        directory: Where the result is kept; its name should hold a key of everything that went in.
        make: Fills the empty directory that it is given. When it raises, nothing is kept.
        report: Says that another process is making it, while that lasts.

    Raises:
        OSError: The directory cannot be written. What ``make`` raises passes through.
    """
    if directory.is_dir():
        return directory
    from filelock import FileLock, Timeout  # slow to import, and rarely needed

    directory.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory.parent / f".{directory.name}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        what = f"another process is making {directory}"
        with report.status(what) if report else nullcontext():
            lock.acquire()
    try:
        if not directory.is_dir():
            with fill_atomically(directory) as partial:
                make(partial)
    finally:
        lock.release()
    return directory
