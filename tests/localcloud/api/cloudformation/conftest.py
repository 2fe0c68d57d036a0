"""Fixtures for tests of stacks."""

from __future__ import annotations

import pytest

from localcloud.fixture import CloudFixture
from localcloud.stacks import StackFixture, put


@pytest.fixture
def stack(cloud: CloudFixture) -> StackFixture:
    put(cloud, cloud.base, "/image")
    return StackFixture(cloud)
