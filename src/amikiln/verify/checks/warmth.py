"""The warm build once more, on a machine that never built anything: are all steps cache hits?"""

from __future__ import annotations

from amikiln.recipe.paths import RECIPE_DIRECTORY, WARM_LOG
from amikiln.verify.build_log import Warmth, compare_builds, read_steps
from amikiln.verify.checks.finding import Finding, Subject, failed, passed, unknown

SHOWN_STEPS = 5


def builds_are_warm(subject: Subject) -> Finding:
    """The builder's cache has every step of the real build, and saves the time that it took."""
    if subject.plan.spec.warm is None:
        return failed(
            "the spec has no [warm], so nothing shows that a build finds anything in the cache",
            "name in [warm] what jobs build: pulled images do not feed the builder's cache",
        )
    warm = read_steps(
        subject.ask(
            f"cd {RECIPE_DIRECTORY} && exec sh -eu check-warm.sh",
            timeout_seconds=subject.plan.spec.deadlines.step_seconds,
        )
    )
    if not warm:
        return unknown("the build reported no step of its own", "does it have a RUN?")
    # Without a record of the bake's own build every step counts the same.
    cold = subject.ask(f"cat {WARM_LOG} 2>/dev/null || true")
    return _weigh(compare_builds(read_steps(cold), warm), subject)


def _weigh(warmth: Warmth, subject: Subject) -> Finding:
    wanted = subject.plan.spec.verify
    evidence = (
        f"{warmth.hits} of {warmth.steps} steps are hits, and {warmth.time_share:.0%} of their"
        f" time; {warmth.warm_seconds:.1f} s, and {warmth.cold_seconds:.1f} s at the bake"
    )
    figures = {
        "steps": warmth.steps,
        "hits": warmth.hits,
        "time_share": round(warmth.time_share, 4),
        "cold_seconds": warmth.cold_seconds,
        "warm_seconds": warmth.warm_seconds,
    }
    faults = []
    if min(warmth.hit_share, warmth.time_share) < wanted.minimum_hit_share:
        faults.append(f"wanted: hits {wanted.minimum_hit_share:.0%}")
    if warmth.cold_seconds < wanted.minimum_speedup * warmth.warm_seconds:
        faults.append(f"wanted: {wanted.minimum_speedup:g} times faster than at the bake")
    if not warmth.cold_seconds:
        faults.append("the image has no record of a warm build that took any time")
    if not faults:
        return passed(evidence, figures)
    missed = [f"missed: {name}" for name in warmth.missed[:SHOWN_STEPS]]
    if len(warmth.missed) > SHOWN_STEPS:
        missed.append(f"and {len(warmth.missed) - SHOWN_STEPS} more")
    return failed(
        "; ".join([evidence, *faults, *missed]),
        "was [warm] baked with the same context, arguments and builder as it is verified with?",
        figures,
    )
