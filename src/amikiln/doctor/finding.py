"""What doctor finds: one line of what was looked at, how it is, and what mends it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How it is."""

    OK = "ok"
    WARNING = "warning"
    """Something works less well, or it could not be told."""
    MISSING = "missing"
    """A run would fail for it."""


@dataclass(frozen=True)
class Found:
    """One finding.

    Attributes:
        what: What was looked at, in a word or two.
        level: How it is.
        says: What was seen.
        mend: What to do; empty where there is nothing to do.
    """

    what: str
    level: Level
    says: str
    mend: str = ""
