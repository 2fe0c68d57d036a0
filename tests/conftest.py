"""Fixtures for all tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Harness, use_fakes
from localcloud.fixture import CloudFixture

# AWS's API models and moto are hundreds of thousands of objects that stay: by default, Python
# looks through all of them every few calls, which took a third of the time of these tests.
gc.set_threshold(50_000, 20, 100)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[CloudFixture]:
    """The local cloud's real server, with fake machines and the base image registered."""
    fixture = CloudFixture(tmp_path)
    yield fixture
    fixture.stop()


@pytest.fixture
def harness(cloud: CloudFixture, tmp_path: Path) -> Iterator[Harness]:
    """A session in an account that holds nothing but the base image."""
    with use_fakes(Harness(cloud, tmp_path)) as harness:
        yield harness
