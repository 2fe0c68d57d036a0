"""Real machines: one story in few boots, since each takes half a minute without KVM."""

from __future__ import annotations

import os
import queue
import signal
from pathlib import Path

import pytest

from amikiln.runtime import process
from amikiln.runtime.progress import PlainReporter
from amikiln.runtime.wait import Waiter
from amikiln_localcloud.machines.container import process as container_process
from amikiln_localcloud.machines.contract import Ending, Health, MachinePlan, SnapshotFiles
from amikiln_localcloud.machines.disk_machine import DiskHypervisor, DiskMachine
from vm.conftest import BOOTS_A_KERNEL, IS_A_CONTAINER
from vm.guests import BOOT_SECONDS, KeyPair, Shell, metadata
from vm.traces import await_no_traces_of, await_process, kill_when_there

pytestmark = pytest.mark.vm

FIRST_ID = "i-0aaaaaaaaaaaaaaa1"
SECOND_ID = "i-0aaaaaaaaaaaaaaa2"
USER_DATA = "#!/bin/sh\nid -un >> /root/user-data-ran\n"


class Story:
    """A first machine, and how it ended."""

    def __init__(self, hypervisor: DiskHypervisor, source: SnapshotFiles, keys: Path) -> None:
        self.endings: queue.SimpleQueue[tuple[Ending, str]] = queue.SimpleQueue()
        self.key = KeyPair.make(keys, "first")
        # As large as EC2 allows: 16 KiB.
        user_data = USER_DATA + "#" * (16384 - len(USER_DATA))
        plan = MachinePlan(
            instance_id=FIRST_ID,
            source=source,
            cores=2,
            memory_mib=2048,
            volume_gib=11,
            metadata=lambda: metadata(FIRST_ID, self.key, user_data),
        )
        self.machine = hypervisor.create(plan)
        self.shell = Shell(self.machine, self.key)
        self.machine.start(lambda *ending: self.endings.put(ending))
        self.first_boot = self.shell.wait()


@pytest.fixture(scope="module")
def story(
    hypervisor: DiskHypervisor, base: SnapshotFiles, tmp_path_factory: pytest.TempPathFactory
) -> Story:
    return Story(hypervisor, base, tmp_path_factory.mktemp("keys"))


def test_the_base_image_boots_without_a_failed_unit(story: Story) -> None:
    assert story.shell.wait_until_started() == "running"
    assert story.machine.health is Health.OK
    assert story.machine.console()


def test_the_key_pair_opens_both_users(story: Story) -> None:
    assert story.shell.run("id -un", user="root") == "root"
    assert story.shell.run("sudo -n id -un", user="ec2-user") == "root"
    assert not story.shell.succeeds("true", user="buildkite-agent")


def test_user_data_ran_once_as_root_and_left_no_copy(story: Story) -> None:
    assert story.shell.run("cat /root/user-data-ran") == "root"
    assert story.shell.run("grep -rl user-data-ran /var /etc /root || true") == ""


def test_the_root_file_system_fills_the_volume(story: Story) -> None:
    size_gib = int(story.shell.run("df --output=size --block-size=1G / | tail -n 1"))
    assert size_gib in {10, 11}


def test_the_machine_is_named_as_on_ec2(story: Story) -> None:
    assert story.shell.run("hostname") == "ip-10-1-2-3"


@BOOTS_A_KERNEL
def test_the_firmware_says_ec2(story: Story) -> None:
    assert story.shell.run("cat /sys/class/dmi/id/board_asset_tag") == FIRST_ID


def test_metadata_needs_a_token(story: Story) -> None:
    address = "http://169.254.169.254/latest"
    ask = f"curl -s -o /dev/null -w %{{http_code}} {address}/meta-data/"
    assert story.shell.run(ask) == "401"
    found = story.shell.run(
        f"token=$(curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "
        f"{address}/api/token) && "
        f'curl -sf -H "X-aws-ec2-metadata-token: $token" {address}/meta-data/instance-id'
    )
    assert found == FIRST_ID


def test_the_registry_answers_by_name_and_refuses_https_at_once(story: Story) -> None:
    found = story.shell.run("curl -sf http://registry.amikiln.internal/v2/")
    assert found == "registry asked for /v2/"
    refused = "curl -s --max-time 5 https://registry.amikiln.internal/v2/; echo $?"
    assert story.shell.run(refused) == "7"  # curl(1): failed to connect; 28 would be a time-out


def test_docker_works_with_overlay2_and_cgroup_v2(story: Story) -> None:
    found = story.shell.run("docker info --format '{{.Driver}} {{.CgroupVersion}}'")
    assert found == "overlay2 2"
    assert "docker" in story.shell.run("id -nG buildkite-agent").split()


def test_a_running_machine_is_saved_as_it_is(story: Story, tmp_path: Path) -> None:
    story.shell.run("echo before > /root/saved && sync --file-system /root")
    saved = SnapshotFiles(tmp_path / "snap-running")
    story.machine.save(saved)
    assert story.shell.run("cat /root/saved") == "before"
    process.run(["e2fsck", "-fn", saved.disk])
    assert process.run(["debugfs", "-R", "cat /root/saved", saved.disk]).stdout == b"before\n"
    assert saved.kernel.read_bytes() == story.machine._plan.source.kernel.read_bytes()
    assert saved.disk.stat().st_blocks * 512 < saved.disk.stat().st_size / 4

    story.shell.run("echo after > /root/saved && sync --file-system /root")
    again = SnapshotFiles(tmp_path / "snap-running-again")
    story.machine.save(again)
    assert process.run(["debugfs", "-R", "cat /root/saved", again.disk]).stdout == b"after\n"


def test_a_reboot_from_inside_is_no_end(story: Story) -> None:
    story.shell.succeeds("systemctl reboot")
    assert story.shell.wait(story.first_boot) != story.first_boot
    assert story.shell.wait_until_started() == "running"
    assert story.endings.empty()
    assert story.shell.run("cat /root/user-data-ran") == "root"


@pytest.fixture(scope="module")
def sealed(story: Story, tmp_path_factory: pytest.TempPathFactory) -> SnapshotFiles:
    """The first machine's disk, saved after it shut itself down, without its identity."""
    story.shell.run("cat /etc/machine-id > /root/old-identity")
    story.shell.run("cat /etc/ssh/ssh_host_ed25519_key.pub >> /root/old-identity")
    story.shell.run("rm /etc/ssh/ssh_host_*; : > /etc/machine-id; echo last > /root/written-last")
    story.shell.succeeds("systemctl poweroff")
    assert story.endings.get(timeout=BOOT_SECONDS)[0] is Ending.GUEST_SHUT_DOWN
    saved = SnapshotFiles(tmp_path_factory.mktemp("sealed") / "snap-stopped")
    story.machine.save(saved)
    story.machine.destroy()
    story.machine.destroy()
    return saved


class Successor:
    """A machine from the first one's disk, of another owner."""

    def __init__(self, hypervisor: DiskHypervisor, source: SnapshotFiles, keys: Path) -> None:
        self.endings: queue.SimpleQueue[tuple[Ending, str]] = queue.SimpleQueue()
        self.key = KeyPair.make(keys, "second")
        plan = MachinePlan(
            instance_id=SECOND_ID,
            source=source,
            cores=1,
            memory_mib=1024,
            volume_gib=11,
            metadata=lambda: metadata(SECOND_ID, self.key, "#!/bin/sh\necho 2 > /root/second\n"),
        )
        self.machine: DiskMachine = hypervisor.create(plan)
        self.shell = Shell(self.machine, self.key)
        self.machine.start(lambda *ending: self.endings.put(ending))
        self.shell.wait()


@pytest.fixture(scope="module")
def successor(
    hypervisor: DiskHypervisor, sealed: SnapshotFiles, tmp_path_factory: pytest.TempPathFactory
) -> Successor:
    return Successor(hypervisor, sealed, tmp_path_factory.mktemp("successor"))


def test_the_successor_has_an_identity_of_its_own(successor: Successor, story: Story) -> None:
    shell = successor.shell
    assert shell.wait_until_started() == "running"
    machine_id, _, host_key = shell.run("cat /root/old-identity").partition("\n")
    assert shell.run("cat /etc/machine-id") not in {machine_id, ""}
    assert shell.run("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[1] not in host_key
    assert shell.run("cat /root/written-last") == "last"


def test_only_its_own_key_and_user_data_count(successor: Successor, story: Story) -> None:
    assert not Shell(successor.machine, story.key).succeeds("true")
    assert successor.shell.run("cat /root/second") == "2"
    assert successor.shell.run("cat /root/user-data-ran") == "root"


@BOOTS_A_KERNEL
def test_a_panic_impairs_and_the_console_is_kept(successor: Successor) -> None:
    successor.shell.run("nohup sh -c 'sleep 1; echo c > /proc/sysrq-trigger' > /dev/null 2>&1 &")
    Waiter(PlainReporter()).until(
        lambda: True if successor.machine.health is Health.IMPAIRED else None,
        what="the guest panics",
        deadline_seconds=60,
    )
    assert b"Kernel panic - not syncing: sysrq triggered crash" in successor.machine.console()
    assert successor.endings.empty()


@BOOTS_A_KERNEL
def test_a_killed_qemu_is_told(successor: Successor) -> None:
    os.kill(int((successor.machine._files.directory / "qemu.pid").read_text()), signal.SIGKILL)
    assert successor.endings.get(timeout=30) == (Ending.PROCESS_DIED, "QEMU exited with -9")


@IS_A_CONTAINER
def test_a_stopped_pid_1_impairs_and_can_be_ended(
    successor: Successor, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = container_process.BETWEEN_PROBES_SECONDS + 3
    monkeypatch.setattr(container_process, "SILENCE_BOUND_SECONDS", bound)
    nspawn = await_process("systemd-nspawn", os.getpid())
    (leader,) = Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split()
    os.kill(int(leader), signal.SIGSTOP)
    Waiter(PlainReporter()).until(
        lambda: True if successor.machine.health is Health.IMPAIRED else None,
        what="a PID 1 that does not answer is noticed",
        deadline_seconds=30,
    )
    successor.machine.stop(deadline_seconds=2)
    successor.machine.start(lambda *ending: successor.endings.put(ending))
    successor.shell.wait()
    assert successor.shell.wait_until_started() == "running"


@IS_A_CONTAINER
def test_a_storage_process_that_dies_ends_the_machine(successor: Successor) -> None:
    kill_when_there("qemu-storage-daemon", os.getpid())
    assert successor.endings.get(timeout=5) == (
        Ending.PROCESS_DIED,
        "qemu-storage-daemon ended, and with it the disk",
    )


def test_nothing_is_left_of_a_machine_that_ended(successor: Successor) -> None:
    successor.machine.destroy()
    await_no_traces_of(successor.machine)
    assert not successor.machine._files.directory.exists()
