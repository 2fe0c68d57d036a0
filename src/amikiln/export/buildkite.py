"""The timeouts of a Buildkite pipeline's steps, from a spec's deadlines.

Only these values are written: the pipeline itself belongs to its repository.
https://buildkite.com/docs/pipelines/configure/step-types/command-step
"""

from __future__ import annotations

import re

from amikiln.errors import SpecError
from amikiln.spec import timing
from amikiln.spec.load import ImageFolder

LEASE_WAIT = "AMIKILN_LEASE_WAIT"
"""The pipeline's variable: how long a retried step waits for the lost run's lease."""
KEY = re.compile(r"^(\s*(?:- )?)key:\s*[\"']?([\w-]+)[\"']?\s*(#.*)?$")
TIMEOUT = re.compile(r"^(\s*(?:- )?timeout_in_minutes:\s*)\d+(.*)$")
WAIT = re.compile(rf"^(\s*{LEASE_WAIT}:\s*)\"?\w+\"?(.*)$")


def fill_timeouts(pipeline: str, image: ImageFolder, origin: str) -> str:
    """Return a pipeline with the timeouts that the image's deadlines lead to.

    Args:
        pipeline: YAML with steps of the keys ``plan``, ``build``, ``verify`` and ``publish``,
            each with ``timeout_in_minutes`` below its ``key``, and with ``AMIKILN_LEASE_WAIT``.
        image: The image.
        origin: The pipeline's file, for the error.

    Raises:
        SpecError: A key, a timeout or the lease's wait is missing.
    """
    minutes = timing.pipeline_minutes(image.spec, len(image.steps), len(image.checks))
    wanted, key, lines = {*minutes, LEASE_WAIT}, "", []
    for line in pipeline.splitlines(keepends=True):
        ended = line.rstrip("\n")
        if found := KEY.match(ended):
            key = found[2]
        elif (found := TIMEOUT.match(ended)) and key in minutes:
            line = f"{found[1]}{minutes[key]}{found[2]}\n"
            wanted.discard(key)
        elif found := WAIT.match(ended):
            line = f'{found[1]}"{timing.lease_wait_seconds(image.spec)}s"{found[2]}\n'
            wanted.discard(LEASE_WAIT)
        lines.append(line)
    if wanted:
        raise SpecError(
            f"{origin} has no timeout_in_minutes below the key, or no value, of"
            f" {', '.join(sorted(wanted))}",
            hint="give each step a key and below it timeout_in_minutes: 1, and the pipeline env:"
            f" {LEASE_WAIT}: 1s",
        )
    return "".join(lines)
