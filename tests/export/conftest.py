"""Fixtures for tests of the exported policy; each file of them has its own ``account``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from export.iam_account import POLICY, SPEC, Account
from harness import Harness
from localcloud.fixture import CloudFixture


@pytest.fixture(scope="module")
def shared_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudFixture]:
    """A local cloud for all tests of a file."""
    cloud = CloudFixture(tmp_path_factory.mktemp("cloud"))
    yield cloud
    cloud.stop()


@pytest.fixture
def harness(account: Account) -> Iterator[Harness]:
    """A session in the shared account, with guests that work at first."""
    yield account.harness
    account.allow(POLICY)
    account.harness.script.refuse = lambda command: None
    account.harness.script.owner_builder = SPEC.buildkit.builder
    account.harness.script.knocks_before_answer = 0
