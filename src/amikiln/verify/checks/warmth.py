"""The warm build once more, on a machine that was never built on: is it all hits?"""

from __future__ import annotations

from amikiln.model.verdict import Outcome
from amikiln.recipe import render
from amikiln.verify.build_log import Warmth, compare, steps_of
from amikiln.verify.checks.finding import Finding, Subject

SHOWN_STEPS = 5


def builds_are_warm(subject: Subject) -> Finding:
    """The builder's cache has every step of the real build, and saves the time that it took."""
    if subject.plan.spec.warm is None:
        return (
            Outcome.FAIL,
            "the spec has no [warm], so nothing shows that a build finds anything in the cache",
            "name in [warm] what jobs build: pulled images do not feed the builder's cache",
        )
    warm = steps_of(
        subject.ask(
            f"cd {render.REMOTE_DIRECTORY} && exec sh -eu check-warm.sh",
            timeout_seconds=subject.plan.spec.deadlines.step_seconds,
        )
    )
    if not warm:
        return Outcome.UNKNOWN, "the build reported no step of its own", "does it have a RUN?"
    # Without a record of the bake's own build every step counts the same.
    cold = subject.ask("cat /etc/amikiln/warm.rawjson 2>/dev/null || true")
    found = compare(steps_of(cold), warm)
    return _judged(found, subject)


def _judged(found: Warmth, subject: Subject) -> Finding:
    wanted = subject.plan.spec.verify
    evidence = (
        f"{found.hits} of {found.steps} steps are hits, and {found.time_share:.0%} of their time;"
        f" {found.warm_seconds:.1f} s, and {found.cold_seconds:.1f} s at the bake"
    )
    figures = {
        "steps": found.steps,
        "hits": found.hits,
        "time_share": round(found.time_share, 4),
        "cold_seconds": found.cold_seconds,
        "warm_seconds": found.warm_seconds,
    }
    faults = []
    if min(found.hit_share, found.time_share) < wanted.minimum_hit_share:
        faults.append(f"wanted: hits {wanted.minimum_hit_share:.0%}")
    if found.cold_seconds < wanted.minimum_speedup * found.warm_seconds:
        faults.append(f"wanted: {wanted.minimum_speedup:g} times faster than at the bake")
    if not found.cold_seconds:
        faults.append("the image has no record of a warm build that took any time")
    if not faults:
        return Outcome.PASS, evidence, "", figures
    missed = [f"missed: {name}" for name in found.missed[:SHOWN_STEPS]]
    if len(found.missed) > SHOWN_STEPS:
        missed.append(f"and {len(found.missed) - SHOWN_STEPS} more")
    return (
        Outcome.FAIL,
        "; ".join([evidence, *faults, *missed]),
        "was [warm] baked with the same context, arguments and builder as it is verified with?",
        figures,
    )
