"""The warm build once more, on a machine that never built anything: are all steps cache hits?

Nothing can be fetched meanwhile: the machine is cut off from the network, and asks no cache
elsewhere. A hit reads no layer, so what the results consist of is read after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amikiln.recipe.paths import RECIPE_DIRECTORY, WARM_LOG
from amikiln.verify.build_log import (
    Step,
    Warmth,
    add_misses,
    compare_builds,
    find_broken,
    read_steps,
)
from amikiln.verify.checks.finding import Finding, Subject, failed, passed, unknown
from amikiln.verify.checks.system import BYTES_IN_GIB, measure_free

SHOWN_STEPS = 5
SHOWN_CHARACTERS = 1000
BUILDS = 4
"""How many check-warm.sh runs at most."""


@dataclass(frozen=True)
class Build:
    """One of the builds of check-warm.sh.

    Attributes:
        name: ``ask`` for the jobs' build; ``read`` for the one that reads its results; ``parts``
            for the stages and images behind what came from a cache at the bake.
        steps: Its own steps.
        error: What it said where it failed; empty where it did not.
        seconds: How long it took.
        megabytes: How much it read.
        broken: The names of its steps and base images that ended with an error.
    """

    name: str
    steps: tuple[Step, ...]
    error: str
    seconds: float
    megabytes: float
    broken: tuple[str, ...]


def builds_are_warm(subject: Subject) -> Finding:
    """The builder's store has every layer of the real build, and saves the time that it took."""
    deadlines = subject.plan.spec.deadlines
    builds = read_builds(
        subject.ask(
            f"cd {RECIPE_DIRECTORY} && exec sh -eu check-warm.sh",
            timeout_seconds=BUILDS * deadlines.step_seconds,
        )
    )
    # Without a record of the bake's own build every step counts the same.
    cold = read_steps(subject.ask(f"cat {WARM_LOG} 2>/dev/null || true"))
    steps = builds[0].steps
    for build in builds[1:]:
        steps = add_misses(steps, build.steps)
    warmth = compare_builds(cold, steps)
    by_name = {build.name: build for build in builds}
    for build in builds:
        if build.error:
            return _explain_failure(build, warmth.missed, max(warmth.steps, len(cold)))
    if not by_name["ask"].steps:
        return unknown("the build reported no step of its own", "does it have a RUN?")
    return _weigh(warmth, by_name["read"], bool(cold), subject)


def read_builds(output: str) -> tuple[Build, ...]:
    """Return the builds that check-warm.sh reports.

    Raises:
        ValueError: The report is incomplete.
    """
    builds: list[Build] = []
    reported: list[str] = []
    lines = output.splitlines()
    for number, line in enumerate(lines):
        if not line.startswith("ended "):
            reported.append(line)
            continue
        _, name, code, seconds, size = line.split()
        error = "" if code == "0" else "\n".join(lines[number + 1 :]).strip() or "no output"
        log = "\n".join(reported)
        builds.append(
            Build(
                name=name,
                steps=read_steps(log),
                error=error,
                seconds=float(seconds),
                megabytes=int(size) / 1_000_000,
                broken=find_broken(log),
            )
        )
        if error:
            return tuple(builds)
        reported = []
    if reported or [build.name for build in builds][:2] != ["ask", "read"]:
        raise ValueError("the report of the builds is incomplete")
    return tuple(builds)


def _explain_failure(build: Build, missed: Sequence[str], steps: int) -> Finding:
    """Explain a build that broke off; of one BuildKit calls steps cached that it never got to."""
    said = build.error[-SHOWN_CHARACTERS:]
    if build.broken or missed:
        return failed(
            "; ".join(
                [
                    f"without the network the build of {steps} steps fails, so not all of it is on"
                    " the disk",
                    *_list_missed(build.broken or missed),
                    said,
                ]
            ),
            "was [warm] baked with the same context, arguments and builder as it is verified with?"
            " a step that is not cached for any other reason needs what is cut off here",
        )
    return unknown(
        f"cannot tell, for without the network the build does not get as far as its steps: {said}",
        "a tag, a URL or a git reference that the build asks for each time cannot be pinned here",
    )


def _weigh(warmth: Warmth, read: Build, has_record: bool, subject: Subject) -> Finding:
    wanted = subject.plan.spec.verify
    evidence = (
        f"{warmth.hits} of {warmth.steps} steps are hits, and {warmth.time_share:.0%} of their"
        f" time; {warmth.warm_seconds:.1f} s, and {warmth.cold_seconds:.1f} s at the bake; reading"
        f" {read.megabytes:.1f} MB of results took {read.seconds:.1f} s"
    )
    if has_record:
        evidence += "; the machine was cut off from the network"
    figures = {
        "steps": warmth.steps,
        "hits": warmth.hits,
        "imported": warmth.imported,
        "time_share": round(warmth.time_share, 4),
        "cold_seconds": warmth.cold_seconds,
        "warm_seconds": warmth.warm_seconds,
        "read_seconds": read.seconds,
        "read_megabytes": round(read.megabytes, 3),
    }
    faults = _find_room_fault(read, subject)
    if min(warmth.hit_share, warmth.time_share) < wanted.minimum_hit_share:
        faults.append(f"wanted: hits {wanted.minimum_hit_share:.0%}")
    if warmth.imported == warmth.steps:
        evidence += (
            "; all steps came from a cache at the bake: there is no cold time, and no speed-up is"
            " asked for"
        )
    else:
        if warmth.imported:
            evidence += f"; {warmth.imported} steps came from a cache at the bake and have no time"
        if warmth.cold_seconds < wanted.minimum_speedup * warmth.warm_seconds:
            faults.append(f"wanted: {wanted.minimum_speedup:g} times faster than at the bake")
        if not warmth.cold_seconds and not warmth.imported:
            faults.append("the image has no record of a warm build that took any time")
    if not has_record:
        faults.append("the image has no record of its warm build")
    if wanted.maximum_read_seconds is not None and read.seconds > wanted.maximum_read_seconds:
        faults.append(f"wanted: results read within {wanted.maximum_read_seconds} s")
    if not read.megabytes:
        faults.append("nothing could be read of its results")
    if not faults:
        return passed(evidence, figures)
    return failed(
        "; ".join([evidence, *faults, *_list_missed(warmth.missed)]),
        "was [warm] baked with the same context, arguments and builder as it is verified with?",
        figures,
    )


def _find_room_fault(read: Build, subject: Subject) -> list[str]:
    """Return why a job cannot load the build's results into Docker without a clean-up starting."""
    free_gib, _ = measure_free(subject)
    least_gib = subject.plan.spec.verify.minimum_free_gib
    needed_gib = least_gib + read.megabytes * 1e6 / BYTES_IN_GIB
    # Below the cut-off itself room-on-disk has failed already.
    if free_gib < least_gib or free_gib >= needed_gib:
        return []
    return [
        f"wanted: {needed_gib:.1f} GiB free for a job that loads its results, as room-on-disk"
        f" counts; {free_gib:.1f} are"
    ]


def _list_missed(names: Sequence[str]) -> list[str]:
    shown = [f"missed: {name}" for name in names[:SHOWN_STEPS]]
    if len(names) > SHOWN_STEPS:
        shown.append(f"and {len(names) - SHOWN_STEPS} more")
    return shown
