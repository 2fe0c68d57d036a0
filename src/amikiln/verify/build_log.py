"""How warm a build was: the steps in BuildKit's log, counted and weighed by time.

The log is its progress as rawjson: one report after another, each with what is known of some
steps ("vertexes") by then. https://pkg.go.dev/github.com/moby/buildkit/client#SolveStatus
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

OWN_STEP = re.compile(r"\[([^\]]* )?\d+/\d+\] (?!FROM )")
"""The names of a build's own steps: ``[STAGE 2/5] RUN ...``, with ``TARGET STAGE`` where a bake
has several targets. Anything else is a pull, an export, a context or a login.

https://github.com/moby/buildkit/blob/v0.26.3/frontend/dockerfile/dockerfile2llb/convert.go
"""


@dataclass(frozen=True)
class Step:
    """One step of a build, however often it was reported.

    Attributes:
        digest: The same in every build, unless it is made from what a client sends.
        cached: It came from the cache and did not run.
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
        time_share: The share of the time that its steps took at the bake which the hits saved.
        cold_seconds: What its steps took at the bake.
        warm_seconds: What they took on the machine.
        missed: The names of the steps that ran.
    """

    hits: int
    steps: int
    time_share: float
    cold_seconds: float
    warm_seconds: float
    missed: tuple[str, ...]

    @property
    def hit_share(self) -> float:
        return self.hits / self.steps if self.steps else 0.0


def read_steps(rawjson: str) -> tuple[Step, ...]:
    """Return a build's own steps, in the order in which they were first reported.

    A step that was reported several times counts once, and so does one that ran several times:
    it took as long as its longest run, and is cached only if it never ran.

    Args:
        rawjson: The output of ``--progress rawjson``, of one build or several.

    Raises:
        ValueError: It cannot be read.
    """
    by_digest: dict[str, Step] = {}
    for vertex in _vertexes(rawjson):
        name, digest = str(vertex.get("name", "")), str(vertex["digest"])
        if not OWN_STEP.match(name) or "started" not in vertex:
            continue
        known = by_digest.get(digest)
        if "completed" not in vertex:
            # Whether it is cached is known at its end only; one that never ends is not a hit.
            by_digest.setdefault(digest, Step(digest, name, False, 0.0))
        elif vertex.get("cached"):
            if known is None or known.seconds == 0.0:
                by_digest[digest] = Step(digest, name, True, 0.0)
        else:
            seconds = max(_seconds(vertex), known.seconds if known else 0.0)
            by_digest[digest] = Step(digest, name, False, seconds)
    return tuple(by_digest.values())


def compare_builds(cold: Iterable[Step], warm: Iterable[Step]) -> Warmth:
    """Weigh a build's steps by how long the same steps took when they ran.

    Steps are matched by digest, else by name: the context has a new digest each time.

    Args:
        cold: The steps at the bake; none where it had no warm build.
        warm: The steps on the machine.
    """
    at_bake = tuple(cold)
    by_digest = {step.digest: step.seconds for step in at_bake}
    by_name: dict[str, float] = defaultdict(float)
    for step in at_bake:
        by_name[step.name] += step.seconds
    built = tuple(warm)
    saved = lost = 0.0
    for step in built:
        seconds = by_digest.get(step.digest, by_name[step.name])
        if step.cached:
            saved += seconds
        else:
            lost += max(step.seconds, seconds)
    hits = sum(step.cached for step in built)
    return Warmth(
        hits=hits,
        steps=len(built),
        time_share=saved / (saved + lost) if saved + lost else hits / max(1, len(built)),
        cold_seconds=round(sum(by_name.values()), 2),
        warm_seconds=round(sum(step.seconds for step in built), 2),
        missed=tuple(step.name for step in built if not step.cached),
    )


def _vertexes(rawjson: str) -> Iterable[Mapping[str, Any]]:
    for line in rawjson.splitlines():
        if line.startswith('{"vertexes":'):
            yield from json.loads(line)["vertexes"]


def _seconds(vertex: Mapping[str, Any]) -> float:
    took = datetime.fromisoformat(vertex["completed"]) - datetime.fromisoformat(vertex["started"])
    return max(0.0, took.total_seconds())
