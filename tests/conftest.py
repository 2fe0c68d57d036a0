"""Fixtures for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import Bench, set_up
from localcloud.fixture import CloudFixture


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
