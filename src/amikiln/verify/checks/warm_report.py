"""What check-warm.sh reports of the builds on the machine that is verified."""

from __future__ import annotations

from dataclasses import dataclass

from amikiln.verify.build_log import Step, find_broken, read_steps


@dataclass(frozen=True)
class Build:
    """One of the builds of check-warm.sh.

    Attributes:
        name: ``ask`` for the jobs' build; ``read`` for the one that reads its results; ``parts``
            for the stages and images behind what came from a cache at the bake; ``today`` for the
            jobs' build with the network, without pinned sources and with what its bake files say of
            not using a cache.
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


@dataclass(frozen=True)
class Report:
    """What check-warm.sh reports.

    Attributes:
        builds: In the order in which they ran; none after one that failed.
        asks: The URLs and git references that the build asks for each time.
        runs: What bake files keep from using a cache, as ``TARGET no-cache-filter STAGE``.
    """

    builds: tuple[Build, ...]
    asks: tuple[str, ...]
    runs: tuple[str, ...]


def read_report(output: str) -> Report:
    """Return what check-warm.sh reports.

    Raises:
        ValueError: The report is incomplete.
    """
    builds: list[Build] = []
    reported: list[str] = []
    notes: dict[str, list[str]] = {"asks": [], "runs": []}
    lines = output.splitlines()
    for number, line in enumerate(lines):
        word, _, rest = line.partition(" ")
        if word in notes:
            notes[word].append(rest)
            continue
        if word != "ended":
            reported.append(line)
            continue
        name, code, seconds, size = rest.split()
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
        reported = []
        if error:
            break
    if reported or (
        [build.name for build in builds][:2] != ["ask", "read"]
        and not (builds and builds[-1].error)
    ):
        raise ValueError("the report of the builds is incomplete")
    return Report(tuple(builds), tuple(notes["asks"]), tuple(notes["runs"]))
