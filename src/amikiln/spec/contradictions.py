"""Deadlines and ages of a spec that contradict each other, or the sums of `spec/timing.py`."""

from __future__ import annotations

from collections.abc import Iterator

from amikiln.spec import timing
from amikiln.spec.spec import Spec

METAL_BOOT_SECONDS = 1200
"""https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-types.html: a bare metal instance
takes longer to start than a virtual one; up to 20 minutes until ssh answers is usual."""


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
        ("bake", timing.sum_bake_machine(spec, own_steps)),
        ("verify", timing.sum_verify_machine(spec, own_checks)),
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
