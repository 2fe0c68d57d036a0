"""Fixtures for tests of publish."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from amikiln import pipeline
from amikiln.catalog import lease
from amikiln.model.image import Image
from amikiln.model.verdict import VerdictFile
from amikiln.publish.proof import read_verdict
from harness import POINTER, Harness


@pytest.fixture
def our_lease(harness: Harness) -> Iterator[lease.Lease]:
    run = pipeline.new_run("cpu-build")
    with ExitStack() as stack:
        yield stack.enter_context(
            lease.hold_lease(
                harness.session.cloud.parameters,
                "/amikiln/x/lease",
                run,
                60,
                harness.session.waiter,
            )
        )


@pytest.fixture
def proven(harness: Harness) -> tuple[Image, VerdictFile]:
    """An image that a cycle proved; the pointer is taken away again."""
    done = harness.run()
    harness.ssm.delete_parameter(Name=POINTER)
    return done.image, read_verdict(harness.folder / "verdict.json")
