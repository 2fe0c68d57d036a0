"""What a check is given, and what it returns."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from amikiln.model.plan import Plan
from amikiln.model.verdict import Outcome
from amikiln.recipe.render import REMOTE_DIRECTORY
from amikiln.runtime.guest import Guest

COMMAND_SECONDS = 300


@dataclass(frozen=True)
class Subject:
    """A machine that was booted from the candidate.

    Attributes:
        guest: The machine.
        plan: What the candidate was to become.
        image_digest: The digest of its inputs that it was tagged with at the bake; for an image
            that no bake of ours tagged, the one that its manifest leads to.
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

    def rows(self, command: str) -> list[list[str]]:
        """Run a shell command in the recipe's folder and return its lines, split at tabs.

        Raises:
            GuestCommandFailed: It exited with another code than 0.
            ValueError: Its output ends before it does.
        """
        lines = self.ask(f"cd {REMOTE_DIRECTORY} && {command} && echo done").splitlines()
        if not lines or lines.pop() != "done":
            raise ValueError("what was asked for was not gone through to its end")
        return [line.split("\t") for line in lines]

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


def until(command: str, seconds: int) -> str:
    """Return a shell command that waits until another one succeeds, and fails if it never does.

    Args:
        command: Tried once a second.
        seconds: How long at most.
    """
    loop = shlex.quote(f"until {{ {command}; }} >/dev/null 2>&1; do sleep 1; done")
    return f"timeout {seconds} sh -c {loop}"


def compared(found: Sequence[str], wanted: Sequence[str], what: str) -> Finding:
    """Return a pass if both are equal, else a fail that shows both."""
    if list(found) == list(wanted):
        return Outcome.PASS, f"{what}: {' '.join(found)}", ""
    return (
        Outcome.FAIL,
        f"{what}: {' '.join(found) or 'nothing'}; wanted: {' '.join(wanted)}",
        "compare with the bake's log: this is set in the recipe's steps",
    )
