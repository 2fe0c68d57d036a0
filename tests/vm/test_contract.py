"""Real machines of each kind do what the contract says, and fake ones do the same.

Each test has a cloud of its own. No guest is waited for: a start is over in a second or two.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest

from amikiln_localcloud.children import Launcher
from amikiln_localcloud.home import Home
from amikiln_localcloud.machines.container.machine import ContainerMachine
from amikiln_localcloud.machines.contract import Machine, MachineFailure, SnapshotFiles
from amikiln_localcloud.machines.disk_machine import DiskMachine
from amikiln_localcloud.machines.kinds import Choice, make_hypervisor
from localcloud.any_kind import AnyKind
from localcloud.machine_contract import MachineContract
from vm.guests import GuestRegistry
from vm.traces import await_process, processes_of

pytestmark = pytest.mark.vm


def kill(machine: Machine) -> None:
    """Kill what a machine consists of: QEMU, or a container's init and what it runs in."""
    assert isinstance(machine, DiskMachine)
    # The kernel may leave out a child while another one ends: one look is not enough.
    if isinstance(machine, ContainerMachine):
        victim = await_process("systemd-nspawn", os.getpid())
    else:
        victim = int((machine._files.directory / "qemu.pid").read_text())
    os.kill(victim, signal.SIGKILL)


def runs(machine: Machine) -> bool:
    assert isinstance(machine, DiskMachine)
    return bool(processes_of(machine._files.directory))


def is_busy(machine: Machine) -> bool:
    assert isinstance(machine, DiskMachine)
    if machine._lock.acquire(blocking=False):
        machine._lock.release()
        return False
    return True


@pytest.fixture(params=("container", "qemu"))
def kind(
    request: pytest.FixtureRequest,
    choices: dict[str, Choice],
    launcher: Launcher,
    guest_registry: GuestRegistry,
    base: SnapshotFiles,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AnyKind]:
    if request.param not in choices:
        pytest.skip(f"no machines in {request.param} here, or another kind was asked for")
    directory = tmp_path_factory.mktemp("contract")
    # Longer than the path of a unix socket may be, with a blank in it.
    home = Home(state=directory / ("deep " * 22), cache=directory / "cache")
    hypervisor = make_hypervisor(home, launcher, choices[request.param], guest_registry.place)
    yield AnyKind(hypervisor, base, directory, kill, runs, is_busy)
    hypervisor.close()


class TestRealMachines(MachineContract):
    pass


@pytest.mark.parametrize("kind", ["container"], indirect=True)
def test_a_container_whose_storage_does_not_answer_is_not_saved_and_goes_on(kind: AnyKind) -> None:
    machine = kind.start()
    assert isinstance(machine, DiskMachine)
    (machine._files.directory / "monitor").unlink()
    with contextlib.suppress(MachineFailure):  # pytest.raises would keep the socket that is left
        machine.save(SnapshotFiles(kind.snapshots / "snap-without-a-monitor"))
    assert kind.saved_names() == []
    assert kind.runs(machine)
