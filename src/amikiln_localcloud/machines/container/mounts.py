"""What is mounted for this process, as the kernel tells it: proc_pid_mounts(5)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")


@dataclass(frozen=True)
class Mount:
    """One mounted file system.

    Attributes:
        place: Where.
        kind: The kind of file system.
        options: How, for version 1 of control groups with the names of its controllers.
    """

    place: Path
    kind: str
    options: Sequence[str]


def read_mounts() -> list[Mount]:
    """Return what is mounted, in the order in which it was: the last one at a place is seen."""
    return [_parse(line) for line in MOUNTS.read_text().splitlines()]


def _parse(line: str) -> Mount:
    _, place, kind, options, *_ = line.split(" ")
    return Mount(Path(_unescape(place)), kind, options.split(","))


def _unescape(text: str) -> str:
    """Undo what the kernel does to blanks, tabs, line ends and backslashes: fstab(5)."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
