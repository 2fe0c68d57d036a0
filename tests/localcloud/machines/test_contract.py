"""Fake machines do what the contract says."""

from __future__ import annotations

from pathlib import Path

import pytest

from amikiln_localcloud.machines.contract import Machine
from localcloud.any_kind import AnyKind
from localcloud.fakes import FakeHypervisor, FakeMachine, make_base
from localcloud.machine_contract import MachineContract


def kill(machine: Machine) -> None:
    assert isinstance(machine, FakeMachine)
    machine.die()


def runs(machine: Machine) -> bool:
    assert isinstance(machine, FakeMachine)
    return machine.running


def is_busy(machine: Machine) -> bool:
    assert isinstance(machine, FakeMachine)
    return machine.hangs


@pytest.fixture
def kind(tmp_path: Path) -> AnyKind:
    made = FakeHypervisor()
    return AnyKind(
        made, make_base(tmp_path), tmp_path, kill, runs, is_busy, made.hold, made.release
    )


class TestFakeMachines(MachineContract):
    pass
