"""What verify proves, one function each, on a machine booted from the candidate.

A check returns what it found as evidence; one that could not be carried out is unknown, never
passed.
"""

from __future__ import annotations

import tarfile

from amikiln.checks.builder import builder_answers, builder_configured, builder_up
from amikiln.checks.content import images_present, manifest_as_planned
from amikiln.checks.finding import Check, Subject
from amikiln.checks.system import boot_finished
from amikiln.guest import GuestCommandFailed
from amikiln.model import CheckResult, Outcome

__all__ = ["ALL", "Check", "Subject", "carry_out"]

ALL: tuple[Check, ...] = (
    boot_finished,
    builder_up,
    builder_answers,
    builder_configured,
    manifest_as_planned,
    images_present,
)


def carry_out(check: Check, subject: Subject) -> CheckResult:
    """Run one check; what keeps it from an answer makes it unknown."""
    name = check.__name__.replace("_", "-")
    try:
        outcome, evidence, hint = check(subject)
    except GuestCommandFailed as error:
        outcome, evidence = Outcome.UNKNOWN, f"{error.what}: {error.tail.strip()}"
        hint = "run the command on the machine by hand"
    except (ValueError, KeyError, tarfile.TarError) as error:
        outcome, evidence = Outcome.UNKNOWN, f"the answer cannot be read: {error}"
        hint = "look at it on the machine by hand"
    return CheckResult(name, outcome, evidence, hint)
