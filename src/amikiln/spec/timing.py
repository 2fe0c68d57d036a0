"""How long a run may take: every wait that a spec allows, added up.

What must not end earlier follows from these sums: a machine's own timer, the exported timeouts of a
pipeline, and how long credentials have to last. A value of the spec that contradicts a sum is a
fault of the spec.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from amikiln.spec.spec import Spec

SHIPPED_STEPS = 16
"""The recipe's own steps at most; a test counts them."""
SHIPPED_CHECKS = 24
"""Verify's built-in checks at most; a test counts them."""
COMMANDS_OF_A_CHECK = 2
"""How many commands a built-in check waits for at most, on average."""
BUILDS_OF_VERIFY = 6
"""How many builds the checks run at most."""
BOOT_SCRIPTS = 2
"""How many scripts the fleet's machines run at boot."""
UPLOADS = 2
"""The recipe, and the warm build's context with its secrets."""
PARTS_BUILDS = 1
"""After a build that took layers from a cache, another one fetches what they were made from."""
MARGIN_SECONDS = 60
"""By which a command may outlast a wait in it."""
PAUSE_BETWEEN_ATTEMPTS_SECONDS = 60
END_SECONDS = 600
"""How long a machine may take to be gone."""
CALLS_SECONDS = 600
"""A stage's calls to AWS and to registries, retries included."""
COMMIT_SECONDS = 3 * 1800
"""To fetch the commit of a build's context, check it out and pack it: once an agent, by whichever
step of the pipeline comes there first."""
SET_UP_SECONDS = 1200
"""What a step of the pipeline does before it calls amikiln: checkout and set-up."""
LOCK_MARGIN_SECONDS = 300
"""A retried step waits so much longer for the lease than it takes to lapse."""
METAL_BOOT_SECONDS = 1200
"""https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-types.html: a bare metal instance
takes longer to start than a virtual one; up to 20 minutes until ssh answers is usual."""


@dataclass(frozen=True)
class Share:
    """A part of a sum.

    Attributes:
        what: In words.
        keys: The spec's keys that it follows from, joined by ``x``; empty: none.
        times: How often.
        seconds: How long each time, at most.
    """

    what: str
    keys: str
    times: int
    seconds: int


@dataclass(frozen=True)
class Sum:
    """How long something may take at most."""

    shares: tuple[Share, ...]

    @property
    def seconds(self) -> int:
        """All shares together."""
        return sum(share.times * share.seconds for share in self.shares)

    @property
    def minutes(self) -> int:
        """The seconds in whole minutes, rounded up."""
        return -(-self.seconds // 60)

    def describe(self) -> str:
        """Return the shares in words, each with its seconds."""
        return ", ".join(
            f"{share.what} {f'{share.times} x ' if share.times != 1 else ''}{share.seconds} s"
            + (f" ({share.keys})" if share.keys else "")
            for share in self.shares
        )


def sum_bake_machine(spec: Spec, own_steps: int) -> Sum:
    """Return how long the machine of a bake may be needed, from its launch until it has stopped.

    Args:
        spec: Has the deadlines.
        own_steps: How many steps lie beside it.
    """
    deadlines = spec.deadlines
    shares = [
        *_sum_start(spec),
        Share("steps", "deadlines.step_seconds", SHIPPED_STEPS + own_steps, deadlines.step_seconds),
    ]
    if spec.warm is not None:
        shares.append(
            Share(
                "attempts of the warm build and of its parts",
                "warm.attempts x deadlines.build_seconds",
                spec.warm.attempts + PARTS_BUILDS,
                deadlines.build_seconds + PAUSE_BETWEEN_ATTEMPTS_SECONDS,
            )
        )
    return Sum((*shares, Share("to stop", "deadlines.stop_seconds", 1, deadlines.stop_seconds)))


def limit_warm_step(spec: Spec) -> int:
    """Return how many seconds the warm build's step may take: all attempts, and the rest."""
    attempts = spec.warm.attempts + PARTS_BUILDS if spec.warm is not None else 0
    deadlines = spec.deadlines
    of_builds = attempts * (deadlines.build_seconds + PAUSE_BETWEEN_ATTEMPTS_SECONDS)
    return deadlines.step_seconds + of_builds


def sum_verify_machine(spec: Spec, own_checks: int) -> Sum:
    """Return how long the machine of a verification may be needed.

    Args:
        spec: Has the deadlines.
        own_checks: How many checks lie beside it.
    """
    deadlines = spec.deadlines
    return Sum(
        (
            *_sum_start(spec),
            Share(
                "commands of checks",
                "deadlines.check_seconds",
                SHIPPED_CHECKS * COMMANDS_OF_A_CHECK,
                deadlines.check_seconds,
            ),
            Share(
                "Docker and the builder to be up",
                "verify.builder_up_seconds",
                2,
                spec.verify.builder_up_seconds + MARGIN_SECONDS,
            ),
            Share("boot scripts", "deadlines.boot_seconds", BOOT_SCRIPTS, deadlines.boot_seconds),
            Share(
                "own checks and builds",
                "deadlines.step_seconds",
                own_checks + BUILDS_OF_VERIFY,
                deadlines.step_seconds,
            ),
        )
    )


def machine_minutes(spec: Spec, needed: Sum) -> int:
    """Return after how many minutes a machine ends itself: when it cannot be needed any more."""
    return spec.deadlines.machine_minutes or needed.minutes


def sum_bake(spec: Spec, own_steps: int) -> Sum:
    """Return how long ``amikiln bake`` may take once it has the lease."""
    return Sum(
        (
            *sum_bake_machine(spec, own_steps).shares,
            Share("image", "deadlines.image_seconds", 1, spec.deadlines.image_seconds),
            *_sum_rest(),
        )
    )


def sum_verify(spec: Spec, own_checks: int) -> Sum:
    """Return how long ``amikiln verify`` may take once it has the lease."""
    return Sum((*sum_verify_machine(spec, own_checks).shares, *_sum_rest()))


def sum_run(spec: Spec, own_steps: int, own_checks: int) -> Sum:
    """Return how long ``amikiln run`` may take once it has the lease: credentials last so long."""
    parts = (sum_bake(spec, own_steps), sum_verify(spec, own_checks))
    return Sum(tuple(share for part in parts for share in part.shares))


def lease_wait_seconds(spec: Spec) -> int:
    """Return how long a retried step waits for the lease of the run that was lost."""
    return spec.deadlines.lease_seconds + LOCK_MARGIN_SECONDS


def pipeline_minutes(spec: Spec, own_steps: int, own_checks: int) -> dict[str, int]:
    """Return the timeouts of a pipeline's steps, by their keys: ``plan``, ``build`` and so on.

    Args:
        spec: Has the deadlines.
        own_steps: How many steps lie beside it.
        own_checks: How many checks lie beside it.
    """
    before = SET_UP_SECONDS + lease_wait_seconds(spec)
    fetching = COMMIT_SECONDS if spec.warm is not None and spec.warm.is_git else 0
    parts = {
        "plan": fetching + CALLS_SECONDS,
        "build": fetching + sum_bake(spec, own_steps).seconds,
        "verify": fetching + sum_verify(spec, own_checks).seconds,
        "publish": CALLS_SECONDS,
    }
    return {key: -(-(before + seconds) // 60) for key, seconds in parts.items()}


def find_contradictions(spec: Spec, own_steps: int, own_checks: int) -> list[str]:
    """Return the deadlines that contradict others, each as ``key: fault`` with the other key.

    Args:
        spec: The spec, all of whose single values are allowed.
        own_steps: How many steps lie beside it.
        own_checks: How many checks lie beside it.
    """
    return [*_check_machine(spec, own_steps, own_checks), *_check_boot(spec), *_check_use(spec)]


def _check_machine(spec: Spec, own_steps: int, own_checks: int) -> Iterator[str]:
    minutes = spec.deadlines.machine_minutes
    if minutes is None:
        return
    for what, needed in (
        ("bake", sum_bake_machine(spec, own_steps)),
        ("verify", sum_verify_machine(spec, own_checks)),
    ):
        if minutes < needed.minutes:
            yield (
                f"deadlines.machine_minutes: {minutes} ends the machine of {what} while it may"
                f" still be needed, for {needed.minutes} minutes: {needed.describe()};"
                " leave it out, and it follows from these"
            )


def _check_boot(spec: Spec) -> Iterator[str]:
    boot = spec.deadlines.boot_seconds
    for key, types in (
        ("instance.types", spec.instance.types),
        ("fleet.instance_types", spec.fleet.instance_types),
    ):
        metal = [name for name in types if name.partition(".")[2].startswith("metal")]
        if metal and boot < METAL_BOOT_SECONDS:
            yield (
                f"deadlines.boot_seconds: {boot} is too short for {', '.join(metal)} of {key}:"
                f" a metal machine needs up to {METAL_BOOT_SECONDS}"
            )


def _check_use(spec: Spec) -> Iterator[str]:
    if spec.warm is None and "build_seconds" in spec.deadlines.model_fields_set:
        yield "deadlines.build_seconds: never applies: there is no [warm]"
    hours = spec.deprecate_days * 24
    if spec.max_age_hours > hours:
        yield (
            f"max_age_hours: {spec.max_age_hours} would reuse an image that AWS deprecates"
            f" after {hours}: deprecate_days is {spec.deprecate_days}"
        )


def _sum_start(spec: Spec) -> tuple[Share, Share]:
    deadlines = spec.deadlines
    return (
        Share("to boot and to log in", "deadlines.boot_seconds", 2, deadlines.boot_seconds),
        Share("uploads", "deadlines.step_seconds", UPLOADS, deadlines.step_seconds),
    )


def _sum_rest() -> tuple[Share, Share]:
    return (
        Share("to end the machine and what a lost run left", "", 2, END_SECONDS),
        Share("calls", "", 1, CALLS_SECONDS),
    )
