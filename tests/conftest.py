"""Fixtures for all tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import Bench, set_up
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
def bench(cloud: CloudFixture, tmp_path: Path) -> Iterator[Bench]:
    """A session in an account that holds nothing but the base image."""
    with set_up(Bench(cloud, tmp_path)) as bench:
        yield bench
