"""How warm a build was: the steps in BuildKit's log, counted and weighed by time.

The log is its progress as rawjson: one report after another, each with what is known of some
steps ("vertexes") by then. https://pkg.go.dev/github.com/moby/buildkit/client#SolveStatus
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

OWN_STEP = re.compile(r"\[([^\]]* )?\d+/\d+\] (?!FROM )")
"""The names of a build's own steps: ``[STAGE 2/5] RUN ...``, with ``TARGET STAGE`` where a bake
has several targets. Anything else is a pull, an export, a context or a login.

https://github.com/moby/buildkit/blob/v0.26.3/frontend/dockerfile/dockerfile2llb/convert.go
"""


OF_STAGES = re.compile(r"\[([^\]]* )?\d+/\d+\] ")
"""The names of own steps and of base images: ``[STAGE 1/5] FROM ...``."""
STAGE = re.compile(r"^\[([^\]]* )?(?=\d+/\d+\] )")
DOWNLOAD = re.compile(r"\[([^\]]* )?\d+/\d+\] ADD ")
"""An ADD of a URL or a repository is reported twice: what is fetched, which is made from nothing,
and the step, which is made from that."""


@dataclass(frozen=True)
class Step:
    """One step of a build, however often it was reported.

    Attributes:
        digest: The same in every build, unless it is made from what a client sends.
        cached: It came from a cache and did not run.
        seconds: How long it ran.
    """

    digest: str
    name: str
    cached: bool
    seconds: float


@dataclass(frozen=True)
class Warmth:
    """A build on a machine that never built anything, compared with the same build at the bake.

    Attributes:
        hits: How many of its steps came from the cache.
        steps: How many it has.
        imported: How many of its steps came from a cache at the bake: they have no time there.
        time_share: The share of the time that its steps took at the bake which the hits saved.
        cold_seconds: What those of its steps that ran at the bake took there.
        warm_seconds: What the same steps took on the machine.
        missed: The names of the steps that ran.
    """

    hits: int
    steps: int
    imported: int
    time_share: float
    cold_seconds: float
    warm_seconds: float
    missed: tuple[str, ...]

    @property
    def hit_share(self) -> float:
        return self.hits / self.steps if self.steps else 0.0


def read_steps(rawjson: str) -> tuple[Step, ...]:
    """Return a build's own steps, in the order in which they were first reported.

    A step that was reported several times counts once, and so does one that ran several times: it
    took as long as its longest run. One that came from a cache is reported again while its layers
    are fetched and unpacked, as if it ran: what it was first counts.

    Args:
        rawjson: The output of ``--progress rawjson``, of one build or several attempts at it.

    Raises:
        ValueError: It cannot be read.
    """
    by_digest: dict[str, Step] = {}
    for vertex in _vertexes(rawjson):
        name, digest = str(vertex.get("name", "")), str(vertex["digest"])
        if not OWN_STEP.match(name) or "started" not in vertex or _is_download(vertex):
            continue
        known = by_digest.get(digest)
        if "completed" not in vertex:
            # Whether it is cached is known at its end only; one that never ends is not a hit.
            by_digest.setdefault(digest, Step(digest, name, False, 0.0))
        elif vertex.get("error"):
            by_digest[digest] = Step(digest, name, False, known.seconds if known else 0.0)
        elif vertex.get("cached"):
            if known is None or known.seconds == 0.0:
                by_digest[digest] = Step(digest, name, True, 0.0)
        elif known is None or not known.cached:
            seconds = max(_seconds(vertex), known.seconds if known else 0.0)
            by_digest[digest] = Step(digest, name, False, seconds)
    return tuple(by_digest.values())


def find_broken(rawjson: str) -> tuple[str, ...]:
    """Return the names of a build's own steps and base images that ended with an error."""
    names = (str(v.get("name", "")) for v in _vertexes(rawjson) if v.get("error"))
    return tuple(dict.fromkeys(name for name in names if OF_STAGES.match(name)))


def add_misses(steps: Iterable[Step], other: Iterable[Step]) -> tuple[Step, ...]:
    """Return a build's steps, and what another build of the same missed."""
    by_digest = {step.digest: step for step in steps}
    by_digest |= {step.digest: step for step in other if not step.cached}
    return tuple(by_digest.values())


def compare_builds(cold: Iterable[Step], warm: Iterable[Step]) -> Warmth:
    """Weigh a build's steps by how long the same steps took when they ran.

    Steps are matched by digest, else by name: the context has a new digest each time. One that came
    from a cache at the bake weighs what it takes where it runs now, and else as much as those that
    ran at the bake do on average. Where none ran there, each weighs the same.

    Args:
        cold: The steps at the bake; none where it had no warm build.
        warm: The steps on the machine.
    """
    at_bake = tuple(cold)
    by_digest = {step.digest: step for step in at_bake}
    by_name: dict[str, list[Step]] = defaultdict(list)
    for step in at_bake:
        by_name[step.name].append(step)
    built = tuple(warm)
    hits = sum(step.cached for step in built)
    known: list[tuple[Step, float]] = []
    imported: list[Step] = []
    for step in built:
        same = [by_digest[step.digest]] if step.digest in by_digest else by_name[step.name]
        if same and all(it.cached for it in same):
            imported.append(step)
        else:
            known.append((step, sum(it.seconds for it in same)))
    typical = sum(seconds for _, seconds in known) / len(known) if known else 0.0
    weights = [*known, *((step, typical) for step in imported)]
    saved = sum(seconds for step, seconds in weights if step.cached)
    lost = sum(max(step.seconds, seconds) for step, seconds in weights if not step.cached)
    return Warmth(
        hits=hits,
        steps=len(built),
        imported=len(imported),
        time_share=(
            saved / (saved + lost) if known and saved + lost else hits / max(1, len(built))
        ),
        cold_seconds=round(sum(step.seconds for step in at_bake), 2),
        warm_seconds=round(sum(step.seconds for step, _ in known), 2),
        missed=tuple(step.name for step in built if not step.cached),
    )


def _vertexes(rawjson: str) -> Iterable[Mapping[str, Any]]:
    for line in rawjson.splitlines():
        if line.startswith('{"vertexes":'):
            yield from json.loads(line)["vertexes"]


def find_lost(before: Sequence[Step], after: Sequence[Step]) -> list[Step]:
    """Return the steps that were hits and are none now; a step may not even have been reached.

    What several targets share is reported for any of them, and what is made from the context has
    another digest for each client: place and command are compared besides.
    """
    digests = {step.digest for step in after if step.cached}
    ran = {_strip_stage(step) for step in after if not step.cached}
    hits = {_strip_stage(step) for step in after if step.cached} - ran
    return [it for it in before if it.digest not in digests and _strip_stage(it) not in hits]


def _strip_stage(step: Step) -> str:
    """Return a step's place and command, without target and stage: ``2/5] RUN make``."""
    return STAGE.sub("", step.name)


def _is_download(vertex: Mapping[str, Any]) -> bool:
    return DOWNLOAD.match(str(vertex.get("name", ""))) is not None and not vertex.get("inputs")


def _seconds(vertex: Mapping[str, Any]) -> float:
    took = datetime.fromisoformat(vertex["completed"]) - datetime.fromisoformat(vertex["started"])
    return max(0.0, took.total_seconds())
