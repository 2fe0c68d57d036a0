"""The warm build once more, on a machine that never built anything: are all steps cache hits?

Nothing can be fetched meanwhile: the machine is cut off from the network, and asks no cache
elsewhere. A hit reads no layer, so what the results consist of is read after it. What a build asks
for each time, a URL or a git reference, is there what it was at the bake; whether jobs still get
that, a further build shows, with the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from amikiln.recipe.paths import RECIPE_DIRECTORY, WARM_LOG
from amikiln.verify.build_log import (
    Warmth,
    add_misses,
    compare_builds,
    find_lost,
    read_steps,
)
from amikiln.verify.checks.finding import Finding, Subject, failed, passed, unknown
from amikiln.verify.checks.system import BYTES_IN_GIB, measure_free
from amikiln.verify.checks.warm_report import Build, Report, read_report

SHOWN_STEPS = 5
SHOWN_CHARACTERS = 1000
BUILDS = 4
"""How many check-warm.sh runs at most while the machine is cut off; the one of today fits in."""
TODAY_SECONDS = 300
"""The build that asks for all anew is stopped then: what is a hit is found within seconds."""
SHOWN_SOURCES = 3


def builds_are_warm(subject: Subject) -> Finding:
    """The builder's store has every layer of the real build, and saves the time that it took."""
    deadlines = subject.plan.spec.deadlines
    report = read_report(
        subject.ask(
            f"cd {RECIPE_DIRECTORY} && TODAY_SECONDS={TODAY_SECONDS} exec sh -eu check-warm.sh",
            timeout_seconds=BUILDS * deadlines.step_seconds,
        )
    )
    # Without a record of the bake's own build every step counts the same.
    cold = read_steps(subject.ask(f"cat {WARM_LOG} 2>/dev/null || true"))
    by_name = {build.name: build for build in report.builds}
    today = by_name.pop("today", None)
    steps = report.builds[0].steps
    for build in by_name.values():
        steps = add_misses(steps, build.steps)
    for build in by_name.values():
        if build.error:
            warmth = compare_builds(cold, steps)
            return _explain_failure(build, warmth.missed, max(warmth.steps, len(cold)), report)
    if not by_name["ask"].steps:
        return unknown("the build reported no step of its own", "does it have a RUN?")
    if today is None:
        return _weigh(compare_builds(cold, steps), by_name["read"], bool(cold), report, subject)
    if today.error and all(step.cached for step in today.steps):
        return unknown(
            f"cannot tell what jobs get today, for the build, {_describe_asked(report)}, fails"
            f" with the network: {today.error[-SHOWN_CHARACTERS:]}",
            "a job would fail as well: is what it asks for still there, and can this machine reach"
            " it?",
        )
    lost = find_lost([step for step in steps if step.cached], today.steps)
    steps = tuple(replace(it, cached=False) if it in lost else it for it in steps)
    return _weigh(compare_builds(cold, steps), by_name["read"], bool(cold), report, subject)


def _explain_failure(build: Build, missed: Sequence[str], steps: int, report: Report) -> Finding:
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
        "what the build asks for each time could not be pinned: does it give something else with"
        " each answer, or is buildkit.image older than v0.13, which keeps no record of it?",
    )


def _weigh(
    warmth: Warmth, read: Build, has_record: bool, report: Report, subject: Subject
) -> Finding:
    wanted = subject.plan.spec.verify
    evidence = (
        f"{warmth.hits} of {warmth.steps} steps are hits, and {warmth.time_share:.0%} of their"
        f" time; {warmth.warm_seconds:.1f} s, and {warmth.cold_seconds:.1f} s at the bake; reading"
        f" {read.megabytes:.1f} MB of results took {read.seconds:.1f} s"
    )
    if has_record:
        evidence += "; the machine was cut off from the network"
        if report.asks or report.runs:
            evidence += (
                f", and the build, {_describe_asked(report)}, was compared with what jobs get today"
            )
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
        "; ".join(_find_hints(report)),
        figures,
    )


def _find_hints(report: Report) -> Iterator[str]:
    if report.runs:
        yield "leave no-cache and no-cache-filter out of the bake file: jobs use no cache there"
    if report.asks:
        yield (
            "let ADD and contexts name a commit, or a checksum: what others give changes after the"
            " bake"
        )
    yield "was [warm] baked with the same context, arguments and builder as it is verified with?"


def _describe_asked(report: Report) -> str:
    words = []
    if report.asks:
        shown = ", ".join(report.asks[:SHOWN_SOURCES])
        more = len(report.asks) - SHOWN_SOURCES
        words.append(f"which asks for {shown}{f' and {more} more' if more > 0 else ''} each time")
    if report.runs:
        words.append(f"whose bake file says {', '.join(report.runs)}")
    return " and ".join(words)


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
