"""Fixtures for tests of Auto Scaling groups."""

from __future__ import annotations

import pytest

from localcloud.fixture import CloudFixture
from localcloud.stacks import put


@pytest.fixture
def pointed_cloud(cloud: CloudFixture) -> CloudFixture:
    put(cloud, cloud.base)
    return cloud
