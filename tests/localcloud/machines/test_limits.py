"""What machines share and may run out of: the facts are data, and each shortage has its remedy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from amikiln_localcloud.machines.container import limits
from amikiln_localcloud.machines.container.cgroups import Hierarchies, MachineGroup
from amikiln_localcloud.machines.container.limits import HostRoom, find_shortage

PLENTY = HostRoom(
    inotify_most=128,
    inotify_free=limits.INOTIFY_EACH,
    loop_devices=None,
    threads_free=30_000,
    memory_mib=24_000,
    disk_mib=100_000,
    disk_place=Path("/state"),
)


@pytest.mark.parametrize(("machines", "new"), [(1, 1), (12, 1), (12, 12)])
def test_what_this_host_has_by_default_is_enough_for_twelve(machines: int, new: int) -> None:
    assert find_shortage(PLENTY, machines, new, machines * 2000, 2000) is None


@pytest.mark.parametrize(
    ("room", "machines", "new", "said", "remedy"),
    [
        (
            PLENTY,
            13,
            1,
            "13 machines use about 130, and a user may have 128 in all",
            "(sysctl fs.inotify.max_user_instances=1024)",
        ),
        (
            replace(PLENTY, inotify_free=9),
            1,
            1,
            "too few inotify instances",
            "(sysctl fs.inotify.max_user_instances=1024)",
        ),
        (replace(PLENTY, loop_devices=0), 1, 1, "no loop device", "(mknod /dev/loopN b 7 N"),
        (replace(PLENTY, loop_devices=2), 3, 3, "no loop device", "(mknod /dev/loopN b 7 N"),
        (
            replace(PLENTY, threads_free=400),
            1,
            1,
            "a machine may need 500, and 400 more may run",
            "(sysctl kernel.pid_max=",
        ),
        (
            replace(PLENTY, memory_mib=7999),
            4,
            3,
            "7999 MiB are free, and the 3 other machines may take 6000 MiB more, this one 2000 MiB",
            """as --set 'instance.types=["t3.small"]', or end other machines)""",
        ),
        (
            replace(PLENTY, disk_mib=1000),
            1,
            1,
            "1000 MiB are free in /state",
            "(AMIKILN_STATE moves it)",
        ),
    ],
)
def test_what_is_short_is_named_with_what_mends_it(
    room: HostRoom, machines: int, new: int, said: str, remedy: str
) -> None:
    found = find_shortage(room, machines, new, machines * 2000, 2000)
    assert found is not None
    assert said in found
    assert remedy in found


def test_a_few_loop_devices_are_enough_for_as_many_new_machines() -> None:
    assert find_shortage(replace(PLENTY, loop_devices=3), 12, 3, 0, 0) is None


def test_this_host_is_read(tmp_path: Path) -> None:
    room = limits.read_room(tmp_path)
    assert 0 <= room.inotify_free <= limits.INOTIFY_EACH
    assert room.inotify_most >= room.inotify_free
    assert room.threads_free > 0
    assert room.memory_mib > 0
    assert room.disk_mib > 0
    # What was tried out was given back: the next look finds as many.
    assert limits.read_room(tmp_path).inotify_free == room.inotify_free


def test_loop_devices_of_a_plain_directory_are_counted(tmp_path: Path) -> None:
    devices, blocks = tmp_path / "dev", tmp_path / "block"
    for number in range(3):
        (devices / f"loop{number}").mkdir(parents=True)
        (blocks / f"loop{number}" / "loop").mkdir(parents=True)
    (devices / "loop-control").mkdir()
    (blocks / "loop1" / "loop" / "backing_file").write_text("/disk")
    assert limits._count_loop_devices(devices, blocks) == 2
    assert limits._count_loop_devices(tmp_path, blocks) == 0


@pytest.mark.parametrize(
    ("controllers", "stat"),
    [
        (("memory",), "cache 9999999\nrss 1\ntotal_rss 524288000\n"),
        ((), "anon 524288000\nfile 99999999\n"),
    ],
)
def test_what_a_machine_uses_is_what_the_kernel_cannot_take_back(
    controllers: tuple[str, ...], stat: str, tmp_path: Path
) -> None:
    hierarchies = Hierarchies(tmp_path / "2", {name: tmp_path / name for name in controllers})
    group = MachineGroup(hierarchies, "i-1")
    assert group.read_memory_mib() == 0
    for folder in group.all:
        folder.mkdir(parents=True)
    (group.all[-1] / "memory.stat").write_text(stat)
    assert group.read_memory_mib() == 500
