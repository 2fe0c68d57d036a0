"""Fixtures for tests of Auto Scaling groups."""

from __future__ import annotations

import pytest

from localcloud.fixture import CloudFixture
from localcloud.groups import point


@pytest.fixture
def pointed_cloud(cloud: CloudFixture) -> CloudFixture:
    point(cloud, cloud.base)
    return cloud
