"""The checks that an image has to pass, by name and in rounds, and how one is run."""

from __future__ import annotations

import tarfile

from amikiln.model.plan import Plan
from amikiln.model.verdict import CheckResult
from amikiln.runtime.guest import GuestCommandFailed
from amikiln.spec.spec import WARM_CHECK
from amikiln.verify.checks import (
    builder,
    checkout,
    content,
    fleet,
    jobs,
    secrets,
    stack,
    store,
    system,
    warmth,
)
from amikiln.verify.checks.finding import Check, Subject, unknown
from amikiln.verify.checks.own import own_check

Round = tuple[Check, ...]
"""Checks that run side by side, for none changes what another one looks at."""

ROUNDS: tuple[Round, ...] = (
    # First, for all others look at what it makes of the machine.
    (Check("fleet-boot", fleet.boot_as_fleet),),
    (Check("boot-finished", system.boot_finished),),
    # These wait for Docker and for the builder, with which the next round's work.
    (
        Check("stack-complete", stack.stack_complete),
        Check("docker-as-baked", system.docker_as_baked),
        Check("room-on-disk", system.room_on_disk),
        Check("builder-up", builder.builder_up),
    ),
    (
        Check("builder-answers", builder.builder_answers),
        Check("builder-configured", builder.builder_configured),
        Check("jobs-find-builder", jobs.jobs_find_builder),
        Check("nothing-prunes", builder.nothing_prunes),
        Check("store-kept", store.store_kept),
        Check("manifest-as-planned", content.manifest_as_planned),
        Check("images-present", content.images_present),
    ),
    # Alone: a job that goes on beside it may have a login, as jobs do.
    (Check("no-secrets", secrets.no_secrets),),
)
"""The checks that come first."""

BUILT_IN = tuple(check for checks in ROUNDS for check in checks)

WARM_BUILD = Check(WARM_CHECK, warmth.builds_are_warm)
"""Comes after all others, for it may change what they look at."""

OTHER_CHECKOUT = Check("checkouts-match", checkout.checkouts_match)
"""Comes last, for it changes the build's context. For builds of a git commit."""


def list_rounds(plan: Plan) -> tuple[Round, ...]:
    """Return the checks for a plan, in order: the built-in ones, and those beside its spec.

    A user's own checks may change the machine: each runs alone.
    """
    own = tuple((own_check(name, script),) for name, script in plan.own_checks.items())
    last = ((OTHER_CHECKOUT,),) if checkout.has_other_checkouts(plan) else ()
    warm = ((WARM_BUILD,),) if plan.spec.warm is not None else ()
    return (*ROUNDS, *own, *warm, *last)


def list_checks(plan: Plan) -> tuple[Check, ...]:
    """Return the checks for a plan, in the order in which a verdict has them."""
    return tuple(check for checks in list_rounds(plan) for check in checks)


def run_check(check: Check, subject: Subject) -> CheckResult:
    """Run one check; if it cannot find an answer, the outcome is unknown."""
    try:
        finding = check.look(subject)
    except GuestCommandFailed as error:
        finding = unknown(
            f"{error.what}: {error.tail.strip()}", "run the command on the machine by hand"
        )
    except (ValueError, LookupError, TypeError, AttributeError, tarfile.TarError) as error:
        finding = unknown(
            f"the answer cannot be read: {error}", "look at it on the machine by hand"
        )
    return CheckResult(check.name, finding.outcome, finding.evidence, finding.hint, finding.figures)
