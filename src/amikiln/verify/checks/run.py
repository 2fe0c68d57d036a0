"""What verify proves, one function each, on a machine booted from the candidate.

A check returns what it found as evidence; one that could not be carried out is unknown, never
passed.
"""

from __future__ import annotations

import tarfile
from collections.abc import Mapping

from amikiln.model.plan import Plan
from amikiln.model.verdict import CheckResult, Outcome
from amikiln.runtime.guest import GuestCommandFailed
from amikiln.verify.checks.builder import (
    builder_answers,
    builder_configured,
    builder_up,
    nothing_prunes,
)
from amikiln.verify.checks.content import images_present, manifest_as_planned
from amikiln.verify.checks.finding import Check, Subject
from amikiln.verify.checks.own import own_check
from amikiln.verify.checks.secrets import no_secrets
from amikiln.verify.checks.store import store_kept
from amikiln.verify.checks.system import boot_finished, docker_as_baked, room_on_disk
from amikiln.verify.checks.warmth import builds_are_warm

__all__ = ["ALL", "Check", "Subject", "carry_out", "name_of", "of"]

ALL: tuple[Check, ...] = (
    boot_finished,
    docker_as_baked,
    room_on_disk,
    builder_up,
    builder_answers,
    builder_configured,
    nothing_prunes,
    store_kept,
    manifest_as_planned,
    images_present,
    no_secrets,
    # Last, for it may change what the others look at.
    builds_are_warm,
)
"""In the order in which they are carried out."""


def of(plan: Plan) -> tuple[Check, ...]:
    """Return the checks for a plan: all of ours, and those that lie beside its spec."""
    own = tuple(own_check(name, script) for name, script in plan.own_checks.items())
    return (*ALL[:-1], *own, ALL[-1])


def name_of(check: Check) -> str:
    """Return a check's name as users read it."""
    return check.__name__.replace("_", "-")


def carry_out(check: Check, subject: Subject) -> CheckResult:
    """Run one check; what keeps it from an answer makes it unknown."""
    name = name_of(check)
    figures: Mapping[str, float] = {}
    try:
        found = check(subject)
        outcome, evidence, hint = found[:3]
        if len(found) == 4:
            figures = found[3]
    except GuestCommandFailed as error:
        outcome, evidence = Outcome.UNKNOWN, f"{error.what}: {error.tail.strip()}"
        hint = "run the command on the machine by hand"
    except (ValueError, KeyError, TypeError, tarfile.TarError) as error:
        outcome, evidence = Outcome.UNKNOWN, f"the answer cannot be read: {error}"
        hint = "look at it on the machine by hand"
    return CheckResult(name, outcome, evidence, hint, figures)
