"""What a check is, what it is given, and what it returns."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from amikiln.machine.virtualization import UNKNOWN
from amikiln.model.plan import Plan
from amikiln.model.verdict import Outcome
from amikiln.recipe.paths import MANIFEST, RECIPE_DIRECTORY
from amikiln.runtime.guest import Guest


@dataclass(frozen=True)
class KernelBoot:
    """How a machine fared that booted the image's own kernel, where the one checked boots none.

    Attributes:
        machine: What it says it is: see machine.virtualization.
        state: systemd's word for it; empty if nobody could log in.
        trouble: Why it was not seen to boot; empty if it was.
        is_known: Whether it was really tried.
    """

    machine: str = UNKNOWN
    state: str = ""
    trouble: str = ""
    is_known: bool = True


@dataclass(frozen=True)
class Subject:
    """A machine that was booted from the image.

    Attributes:
        guest: The machine.
        plan: What the image should be.
        image_digest: The digest of its inputs that it was tagged with at the bake; for an image
            that amikiln did not bake, the one that its manifest leads to.
        machine: What the machine says it is: see machine.virtualization.
        kernel_boot: The boot of another machine, of a kind that boots a kernel; None: no need.
    """

    guest: Guest
    plan: Plan
    image_digest: str
    machine: str = UNKNOWN
    kernel_boot: KernelBoot | None = None

    def ask(self, command: str, timeout_seconds: float | None = None) -> str:
        """Run a shell command as root and return what it wrote to stdout, stripped.

        Args:
            command: For ``sh``.
            timeout_seconds: The spec's ``deadlines.check_seconds`` by default.

        Raises:
            GuestCommandFailed: It exited with another code than 0.
        """
        seconds = timeout_seconds or self.plan.spec.deadlines.check_seconds
        return self.guest.run(command, timeout_seconds=seconds).strip()

    def ask_job(self, command: str, timeout_seconds: float | None = None) -> str:
        """Run a shell command as a job of the CI and return what it wrote to stdout, stripped.

        Its user, environment and limits are those that the agent's unit gives. It has a Docker
        configuration of its own, and what the agent's environment hook exports.

        Args:
            command: For ``sh -c``.
            timeout_seconds: Give up after this long; by default as long as a check may take.

        Raises:
            GuestCommandFailed: It exited with another code than 0, or the hook did.
        """
        return self.ask(
            f"exec sh {RECIPE_DIRECTORY}/as-job.sh sh -c {shlex.quote(command)}", timeout_seconds
        )

    def read_rows(self, command: str) -> list[list[str]]:
        """Run a shell command in the recipe's folder and return its lines, split at tabs.

        Raises:
            GuestCommandFailed: It exited with another code than 0.
            ValueError: Its output is incomplete.
        """
        lines = self.ask(f"cd {RECIPE_DIRECTORY} && {command} && echo done").splitlines()
        if not lines or lines.pop() != "done":
            raise ValueError("the output is incomplete")
        return [line.split("\t") for line in lines]

    def read_manifest(self) -> Mapping[str, Any]:
        """Return the image's own manifest.

        Raises:
            GuestCommandFailed: It has none.
            ValueError: It cannot be read.
        """
        manifest = json.loads(self.ask(f"cat {MANIFEST}"))
        if not isinstance(manifest, dict):
            raise ValueError("the manifest is not a JSON object")
        return manifest


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        evidence: What was seen, in words.
        hint: What to do next; empty where there is nothing to do.
        figures: What was measured; the unit is in the name, as in ``cold_seconds``.
    """

    outcome: Outcome
    evidence: str
    hint: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """One thing that an image has to prove.

    Attributes:
        name: As the verdict names it: in lower case, with dashes.
        look: Looks at the machine. It may raise what ``Subject`` raises, and ValueError,
            LookupError, TypeError or AttributeError for an answer that it cannot read: then the
            outcome is unknown.
    """

    name: str
    look: Callable[[Subject], Finding]


def passed(evidence: str, figures: Mapping[str, float] | None = None) -> Finding:
    """Return the finding of a check that passed."""
    return Finding(Outcome.PASS, evidence, figures=figures or {})


def failed(evidence: str, hint: str, figures: Mapping[str, float] | None = None) -> Finding:
    """Return the finding of a check that failed."""
    return Finding(Outcome.FAIL, evidence, hint, figures or {})


def unknown(evidence: str, hint: str) -> Finding:
    """Return the finding of a check that found no answer."""
    return Finding(Outcome.UNKNOWN, evidence, hint)


def compare(found: Sequence[str], wanted: Sequence[str], what: str) -> Finding:
    """Return a pass if both are equal, else a fail that shows both."""
    if list(found) == list(wanted):
        return passed(f"{what}: {' '.join(found)}")
    return failed(
        f"{what}: {' '.join(found) or 'nothing'}; wanted: {' '.join(wanted)}",
        "compare with the bake's log: this is set in the recipe's steps",
    )


def wait_until(command: str, seconds: int) -> str:
    """Return a shell command that waits until another one succeeds, and fails if it never does.

    Args:
        command: Tried once a second.
        seconds: How long at most.
    """
    loop = shlex.quote(f"until {{ {command}; }} >/dev/null 2>&1; do sleep 1; done")
    return f"timeout {seconds} sh -c {loop}"
