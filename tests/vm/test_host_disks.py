"""A boot script that looks for disks to format finds none of the host's in a container machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from amikiln_localcloud.machines.contract import MachinePlan, SnapshotFiles
from amikiln_localcloud.machines.disk_machine import DiskHypervisor
from vm.conftest import IS_A_CONTAINER
from vm.guests import KeyPair, Shell, metadata

pytestmark = [pytest.mark.vm, IS_A_CONTAINER]

INSTANCE_ID = "i-0ddddddddddddddd1"
REFUSALS = ("Operation not permitted", "is mounted")
"""The one that is mounted is the machine's own: the host's loop device of its disk."""


@pytest.fixture(scope="module")
def shell(
    hypervisor: DiskHypervisor, base: SnapshotFiles, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shell]:
    key = KeyPair.make(tmp_path_factory.mktemp("keys"), "disks")
    plan = MachinePlan(INSTANCE_ID, base, 1, 1024, 11, lambda: metadata(INSTANCE_ID, key))
    machine = hypervisor.create(plan)
    machine.start(lambda ending, why: None)
    shell = Shell(machine, key)
    shell.wait()
    assert shell.wait_until_started() == "running"
    yield shell
    machine.destroy()


def list_hosts_disks() -> set[str]:
    found = {path.name for path in Path("/sys/block").iterdir()}
    assert found
    return found


def test_what_looks_for_disks_finds_none(shell: Shell) -> None:
    said = shell.run("lsblk --all --noheadings; ls /sys/block /sys/class/block /sys/dev/block")
    assert set(re.findall(r"\w+", said)) & list_hosts_disks() == set()
    named = "|".join(sorted(list_hosts_disks()))
    assert shell.run(f"find /sys -regextype egrep -regex '.*/({named})'") == ""
    assert shell.run("ls -d /sys/class/nvme* /sys/class/scsi_disk/* 2>/dev/null || true") == ""


def test_neither_do_those_that_read_the_kernels_lists(shell: Shell) -> None:
    # Emptied a moment after the boot, before the machine is reported as healthy.
    listed = "cat /proc/partitions /proc/diskstats /proc/swaps"
    shell.run(f"timeout 60 sh -c 'until [ -z \"$({listed})\" ]; do sleep 0.2; done'")


def test_no_disk_can_be_formatted_whose_numbers_are_known(shell: Shell) -> None:
    lines = Path("/proc/partitions").read_text().splitlines()[2:]
    for major, minor in sorted({tuple(line.split()[:2]) for line in lines}):
        # -n: on a machine where this is not refused, nothing is written all the same.
        said = shell.run(
            f"rm -f /disk; mknod /disk b {major} {minor};"
            " mkfs.ext4 -F -n /disk 2>&1 || true; rm -f /disk"
        )
        assert any(refusal in said for refusal in REFUSALS), said


def test_the_cards_of_the_machine_and_its_control_groups_are_still_there(shell: Shell) -> None:
    assert shell.run("ls /sys/class/net").split() == ["docker0", "eth0", "eth1", "lo"]
    assert "cgroup.procs" in shell.run("ls /sys/fs/cgroup")


def test_they_are_hidden_after_a_reboot_from_inside_too(shell: Shell) -> None:
    before = shell.run("cat /proc/sys/kernel/random/boot_id")
    shell.run("systemd-run --quiet systemctl reboot")
    shell.wait(before)
    shell.wait_until_started()
    assert shell.run("lsblk --all --noheadings") == ""
    assert shell.run("ls /sys/class/net").split()[:3] == ["docker0", "eth0", "eth1"]
