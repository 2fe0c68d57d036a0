"""Whatever is killed, at whatever moment: the machine ends with its reason, and nothing is left."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from amikiln_localcloud.children import Launcher
from amikiln_localcloud.home import Home
from amikiln_localcloud.machines.contract import (
    Ending,
    MachineFailure,
    MachinePlan,
    SnapshotFiles,
)
from amikiln_localcloud.machines.disk_copy import DiskCopy
from amikiln_localcloud.machines.disk_machine import DiskHypervisor, DiskMachine
from amikiln_localcloud.machines.guest_values import RegistryAddress
from amikiln_localcloud.machines.kinds import Choice, make_hypervisor
from amikiln_localcloud.machines.qmp import QmpClient
from vm import doomed_daemon
from vm.conftest import IS_A_CONTAINER
from vm.guests import KeyPair, metadata
from vm.traces import (
    SUPERVISOR,
    await_no_traces,
    await_no_traces_of,
    await_process,
    kill_when_there,
)

pytestmark = pytest.mark.vm

INSTANCE_ID = "i-0ccccccccccccccc1"
NOTICED_SECONDS = 5.0
REASONS = {
    "unshare": "the supervisor ended",
    SUPERVISOR: "the supervisor ended",
    "slirp4netns": "slirp4netns ended, and with it the network",
    "qemu-storage-daemon": "qemu-storage-daemon ended, and with it the disk",
    "nbdfuse": "nbdfuse ended, and with it the disk",
    "systemd-nspawn": "systemd-nspawn exited with -9",
}


@pytest.fixture(scope="module")
def machine(
    hypervisor: DiskHypervisor, base: SnapshotFiles, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DiskMachine]:
    key = KeyPair.make(tmp_path_factory.mktemp("keys"), "mortal")
    plan = MachinePlan(INSTANCE_ID, base, 1, 1024, 11, lambda: metadata(INSTANCE_ID, key))
    machine = hypervisor.create(plan)
    yield machine
    machine.destroy()


@IS_A_CONTAINER
@pytest.mark.parametrize("victim", REASONS)
def test_a_machine_that_loses_a_process_ends_and_says_why(
    machine: DiskMachine, victim: str
) -> None:
    endings: queue.SimpleQueue[tuple[Ending, str]] = queue.SimpleQueue()
    machine.start(lambda *ending: endings.put(ending))
    kill_when_there(victim, os.getpid())
    assert endings.get(timeout=NOTICED_SECONDS) == (Ending.PROCESS_DIED, REASONS[victim])
    await_no_traces_of(machine)


@IS_A_CONTAINER
@pytest.mark.parametrize(
    "victim", [name for name in REASONS if REASONS[name].endswith(("disk", "network"))]
)
def test_a_machine_whose_disk_or_network_is_stopped_ends_and_says_why(
    machine: DiskMachine, victim: str
) -> None:
    endings: queue.SimpleQueue[tuple[Ending, str]] = queue.SimpleQueue()
    machine.start(lambda *ending: endings.put(ending))
    os.kill(await_process(victim, os.getpid()), signal.SIGSTOP)
    reason = REASONS[victim].replace("ended", "was stopped")
    assert endings.get(timeout=NOTICED_SECONDS) == (Ending.PROCESS_DIED, reason)
    await_no_traces_of(machine)


@IS_A_CONTAINER
@pytest.mark.parametrize("victim", REASONS)
def test_a_machine_that_loses_a_process_while_it_starts_leaves_nothing(
    machine: DiskMachine, victim: str
) -> None:
    endings: queue.SimpleQueue[tuple[Ending, str]] = queue.SimpleQueue()

    def start() -> None:
        try:
            machine.start(lambda *ending: endings.put(ending))
        except MachineFailure as failure:
            endings.put((Ending.PROCESS_DIED, str(failure)))

    starting = threading.Thread(target=start)
    starting.start()
    kill_when_there(victim, os.getpid())
    ending, why = endings.get(timeout=NOTICED_SECONDS)
    starting.join()
    assert ending is Ending.PROCESS_DIED
    assert why
    await_no_traces_of(machine)
    assert endings.empty()


@IS_A_CONTAINER
@pytest.mark.parametrize("victim", [SUPERVISOR, "qemu-storage-daemon"])
def test_a_machine_that_dies_while_its_disk_is_frozen_leaves_nothing(
    machine: DiskMachine, victim: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.start(lambda ending, why: None)
    begin = DiskCopy.begin

    def kill_and_begin(copy: DiskCopy, qmp: QmpClient) -> None:
        kill_when_there(victim, os.getpid())
        begin(copy, qmp)

    monkeypatch.setattr(DiskCopy, "begin", kill_and_begin)
    target = SnapshotFiles(home.snapshots / "snap-of-the-dead")
    with pytest.raises(MachineFailure):
        machine.save(target)
    assert not target.directory.exists()
    await_no_traces_of(machine)


MOMENTS = {
    "container": ("slirp4netns", "qemu-storage-daemon", "nbdfuse", "running"),
    "qemu": ("qemu-system-x86_64", "running"),
}


@pytest.mark.parametrize(
    ("name", "moment"), [(name, moment) for name, moments in MOMENTS.items() for moment in moments]
)
def test_a_killed_daemon_leaves_nothing_for_the_next_start(
    name: str,
    moment: str,
    choices: dict[str, Choice],
    launcher: Launcher,
    base: SnapshotFiles,
    tmp_path: Path,
) -> None:
    if name not in choices:
        pytest.skip(f"no machines in {name} here, or another kind was asked for")
    state = tmp_path / "state"
    kind = choices[name].kind
    argv = [sys.executable, doomed_daemon.__file__, kind, state, base.directory, tmp_path]
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    ) as daemon:
        assert daemon.stdout is not None
        address = daemon.stdout.readline().strip()
        assert address
        if moment == "running":
            assert daemon.stdout.readline() == "running\n"
        else:
            await_process(moment, daemon.pid)
        daemon.kill()
    home = Home(state=state, cache=Home.default().cache)
    after = make_hypervisor(home, launcher, choices[name], RegistryAddress("127.0.0.1", 9))
    after.sweep()
    await_no_traces(home.instances / doomed_daemon.INSTANCE_ID, address)
    assert list(home.instances.iterdir()) == []


@IS_A_CONTAINER
def test_no_process_of_the_disk_holds_the_file_system_that_it_serves(machine: DiskMachine) -> None:
    """The last to die would unmount it, wait for itself, and hang every sync(2) of the host's."""
    machine.start(lambda ending, why: None)
    mark = f"{machine._files.directory}/root "
    mounts = {
        name: Path(f"/proc/{await_process(name, os.getpid())}/mountinfo").read_text()
        for name in (SUPERVISOR, "nbdfuse", "qemu-storage-daemon")
    }
    machine.stop(deadline_seconds=0)
    assert [name for name, text in mounts.items() if mark in text] == [SUPERVISOR]


def test_the_console_and_the_reasons_are_of_the_last_start(machine: DiskMachine) -> None:
    logs = [machine._files.console, *machine._files.directory.glob("*.log")]
    for log in logs:
        log.write_text("from a boot before")
    machine.start(lambda ending, why: None)
    machine.stop(deadline_seconds=0)
    assert b"from a boot before" not in machine.console()
    assert [log.name for log in logs if "from a boot before" in log.read_text()] == []
