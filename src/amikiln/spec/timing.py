"""How long a run may take: every wait that a spec allows, added up.

What must not end earlier follows from these sums: a machine's own timer, the exported timeouts of a
pipeline, and how long credentials may be needed.
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
"""How many builds of the image's own checkout the checks run at most."""
CHECKOUT_BUILDS = 3
"""How many builds are made from other checkouts of the commit, each of which is stopped."""
CHECKOUT_BUILD_SECONDS = 300
"""What is in the cache is found within seconds, and what is not would run for much longer."""
BOOT_SCRIPTS = 2
"""How many scripts the fleet's machines run at boot."""
UPLOADS = 2
"""The recipe, and the warm build's context with its secrets."""
SHORT_COMMANDS_SECONDS = 1200
"""Commands on one machine whose bound is no key of the spec."""
SECRET_SECONDS = 120
"""To send one secret, or to remove all of them."""
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
            *_sum_checkouts(spec),
            *_sum_kernel_boot(spec),
        )
    )


def limit_checkout_builds(spec: Spec) -> int:
    """Return how many seconds the builds from other checkouts may take, with all around them."""
    return CHECKOUT_BUILDS * CHECKOUT_BUILD_SECONDS + spec.deadlines.check_seconds


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


def _sum_start(spec: Spec) -> Iterator[Share]:
    deadlines = spec.deadlines
    yield Share("to boot and to log in", "deadlines.boot_seconds", 2, deadlines.boot_seconds)
    yield Share("uploads", "deadlines.step_seconds", UPLOADS, deadlines.step_seconds)
    yield Share("short commands", "", 1, SHORT_COMMANDS_SECONDS)
    secrets = len(spec.warm.secrets) if spec.warm is not None else 0
    if secrets or spec.docker.logins:
        yield Share("secrets and logins", "", secrets + 2, SECRET_SECONDS)


def _sum_checkouts(spec: Spec) -> Iterator[Share]:
    if spec.warm is not None and spec.warm.is_git:
        yield Share(
            "builds from other checkouts", "deadlines.check_seconds", 1, limit_checkout_builds(spec)
        )


def _sum_kernel_boot(spec: Spec) -> Iterator[Share]:
    """Yield what a kernel's boot adds: the machine that is checked waits for another one."""
    deadlines = spec.deadlines
    yield Share(
        "a changed kernel to run, to let us log in and to come up",
        "deadlines.boot_seconds",
        3,
        deadlines.boot_seconds,
    )
    yield Share("its recipe", "deadlines.step_seconds", 1, deadlines.step_seconds)
    yield Share("its end", "", 1, END_SECONDS)


def _sum_rest() -> tuple[Share, Share]:
    return (
        Share("to end the machine and what a lost run left", "", 2, END_SECONDS),
        Share("calls", "", 1, CALLS_SECONDS),
    )
