"""What a check is given, and what it returns."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from amikiln.guest import Guest
from amikiln.model import Outcome, Plan

COMMAND_SECONDS = 300


@dataclass(frozen=True)
class Subject:
    """A machine that was booted from the candidate.

    Attributes:
        guest: The machine.
        plan: What the candidate was to become.
        image_digest: The digest of its inputs that it was tagged with at the bake.
    """

    guest: Guest
    plan: Plan
    image_digest: str

    def ask(self, command: str, timeout_seconds: float = COMMAND_SECONDS) -> str:
        """Run a shell command as root and return what it wrote to stdout, stripped.

        Raises:
            GuestCommandFailed: It exited with another code than 0.
        """
        return self.guest.run(command, timeout_seconds=timeout_seconds).strip()

    def manifest(self) -> Mapping[str, Any]:
        """Return what the image says of itself.

        Raises:
            GuestCommandFailed: It says nothing.
            ValueError: It cannot be read.
        """
        found = json.loads(self.ask("cat /etc/amikiln/manifest.json"))
        if not isinstance(found, dict):
            raise ValueError("the manifest is no JSON object")
        return found


Finding = tuple[Outcome, str, str] | tuple[Outcome, str, str, Mapping[str, float]]
"""Outcome, evidence, a hint where there is need for one, and figures where there are some."""

Check = Callable[[Subject], Finding]


def compared(found: Sequence[str], wanted: Sequence[str], what: str) -> Finding:
    """Return a pass if both are equal, else a fail that shows both."""
    if list(found) == list(wanted):
        return Outcome.PASS, f"{what}: {' '.join(found)}", ""
    return (
        Outcome.FAIL,
        f"{what}: {' '.join(found) or 'nothing'}; wanted: {' '.join(wanted)}",
        "compare with the bake's log: this is set in the recipe's steps",
    )
