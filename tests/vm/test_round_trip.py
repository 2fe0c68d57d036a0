"""An image made by one kind of machine boots in the other, and the other way round."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from amikiln_localcloud.home import Home
from amikiln_localcloud.machines.contract import MachinePlan, SnapshotFiles
from amikiln_localcloud.machines.disk_machine import DiskHypervisor
from vm.guests import KeyPair, Shell, metadata

pytestmark = pytest.mark.vm

STOP_SECONDS = 60.0


def boot(hypervisor: DiskHypervisor, number: int, source: SnapshotFiles, key: KeyPair) -> Shell:
    """Return a shell of a machine from an image, all of whose units have been started."""
    instance_id = f"i-0fffffffffffffff{number}"
    plan = MachinePlan(instance_id, source, 2, 1024, 11, lambda: metadata(instance_id, key))
    machine = hypervisor.create(plan)
    machine.start(lambda ending, why: None)
    shell = Shell(machine, key)
    shell.wait()
    assert shell.wait_until_started() == "running"
    return shell


def save(shell: Shell, target: SnapshotFiles) -> SnapshotFiles:
    """Stop a machine, and return an image of it."""
    shell.machine.stop(STOP_SECONDS)
    shell.machine.save(target)
    shell.machine.destroy()
    return target


def test_an_image_goes_from_a_container_to_qemu_and_back(
    make_machines: Callable[[str], DiskHypervisor],
    base: SnapshotFiles,
    home: Home,
    tmp_path: Path,
) -> None:
    containers, qemu = make_machines("container"), make_machines("qemu")
    key = KeyPair.make(tmp_path, "traveller")

    shell = boot(containers, 1, base, key)
    shell.run("docker volume create luggage; echo container > /root/stamps")
    shell = boot(qemu, 2, save(shell, SnapshotFiles(home.snapshots / "snap-there")), key)
    assert shell.run("systemd-detect-virt --container || true") == "none"
    assert shell.run("docker volume ls --quiet") == "luggage"
    shell.run("echo qemu >> /root/stamps")
    shell = boot(containers, 3, save(shell, SnapshotFiles(home.snapshots / "snap-back")), key)
    assert shell.run("systemd-detect-virt --container") == "systemd-nspawn"
    assert shell.run("docker volume ls --quiet; cat /root/stamps").split() == [
        "luggage",
        "container",
        "qemu",
    ]
