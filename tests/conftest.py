"""Fixtures for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from amikiln import stages
from amikiln.model import Plan
from amikiln.plan import plan as real_plan
from amikiln.spec import Spec
from amikiln.toolbox import Toolbox
from bench import Bench
from localcloud.fixture import CloudFixture
from pretend_tools import obey, pin


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[CloudFixture]:
    """The local cloud's real server, with pretend machines and the base image registered."""
    fixture = CloudFixture(tmp_path)
    yield fixture
    fixture.stop()


@pytest.fixture
def bench(cloud: CloudFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The stages' tools, in an account that holds nothing but the base image."""
    bench = Bench(cloud, tmp_path)

    def plan_and_obey(wanted: Spec, own: dict[str, bytes], tools: Toolbox) -> Plan:
        planned = real_plan(wanted, own, tools, pin)
        obey(bench.script, planned)
        return planned

    monkeypatch.setattr(stages, "plan", plan_and_obey)
    return bench
