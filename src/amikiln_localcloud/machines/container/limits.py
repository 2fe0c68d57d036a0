"""Limits of the host that machines share: looked at before each launch, and named when short."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from amikiln_localcloud.machines.container.mounts import read_mounts

INOTIFY_EACH = 10
"""Instances that one machine's systemd, Docker and containerd use."""
THREADS_EACH = 500
DISK_MIB_EACH = 1024
MIB = 1024**2


@dataclass(frozen=True)
class HostRoom:
    """What this host has for machines.

    Attributes:
        inotify_most: How many inotify instances a user may have.
        inotify_free: How many more this user gets now, counted to one machine's need.
        loop_devices: Free ones; None: the kernel makes as many as it is asked for.
        threads_free: How many more threads may run.
        memory_mib: Memory that can be had without swapping.
        disk_mib: Free space where machines' disks are.
        disk_place: Where that is.
    """

    inotify_most: int
    inotify_free: int
    loop_devices: int | None
    threads_free: int
    memory_mib: int
    disk_mib: int
    disk_place: Path


def find_shortage(
    room: HostRoom, machines: int, new: int, promised_mib: int, of_its_own_mib: int
) -> str | None:
    """Return what is too short for one more machine, with the line that mends it; None: nothing.

    Args:
        room: What the host has.
        machines: How many machines run, with those that are about to.
        new: How many of them have taken nothing yet.
        promised_mib: The memory that all of them may still take: what their types have, without
            what they use already.
        of_its_own_mib: What the new machine's type has of it.
    """
    inotify = machines * INOTIFY_EACH
    if inotify > room.inotify_most or room.inotify_free < INOTIFY_EACH:
        return (
            f"too few inotify instances: {machines} machines use about {inotify}, and a user may"
            f" have {room.inotify_most} in all"
            f" (sysctl fs.inotify.max_user_instances={max(1024, 2 * inotify)})"
        )
    if room.loop_devices is not None and room.loop_devices < new:
        return "no loop device in /dev is free (mknod /dev/loopN b 7 N, for the next numbers N)"
    if room.threads_free < new * THREADS_EACH:
        return (
            f"too few processes: a machine may need {THREADS_EACH}, and {room.threads_free} more"
            " may run (sysctl kernel.pid_max=4194304 kernel.threads-max=1000000)"
        )
    if room.memory_mib < promised_mib:
        return (
            f"too little memory: {room.memory_mib} MiB are free, and the {machines - 1} other"
            f" machines may take {promised_mib - of_its_own_mib} MiB more, this one"
            f" {of_its_own_mib} MiB (a smaller instance type, as"
            """ --set 'instance.types=["t3.small"]', or end other machines)"""
        )
    if room.disk_mib < new * DISK_MIB_EACH:
        return (
            f"too little disk: a machine writes up to {DISK_MIB_EACH} MiB, and {room.disk_mib} MiB"
            f" are free in {room.disk_place} (AMIKILN_STATE moves it)"
        )
    return None


def read_room(directory: Path) -> HostRoom:
    """Return what this host has just now.

    Args:
        directory: Where machines' disks are.
    """
    pids = min(_read_number("kernel/pid_max"), _read_number("kernel/threads-max"))
    running = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    memory = re.search(r"^MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text(), re.M)
    return HostRoom(
        inotify_most=_read_number("fs/inotify/max_user_instances"),
        inotify_free=_count_inotify(),
        loop_devices=_count_loop_devices(Path("/dev"), Path("/sys/block")),
        threads_free=pids - running,
        memory_mib=int(memory[1]) // 1024 if memory else 0,
        disk_mib=shutil.disk_usage(directory).free // MIB,
        disk_place=directory,
    )


def _read_number(name: str) -> int:
    return int((Path("/proc/sys") / name).read_text())


def _count_inotify() -> int:
    """Return how many instances the kernel still gives, up to one machine's need."""
    libc = ctypes.CDLL(None)
    taken: list[int] = []
    try:
        while len(taken) < INOTIFY_EACH:
            instance = libc.inotify_init1(os.O_CLOEXEC)
            if instance < 0:
                break
            taken.append(instance)
    finally:
        for instance in taken:
            os.close(instance)
    return len(taken)


def _count_loop_devices(devices: Path, blocks: Path) -> int | None:
    """Return how many of the loop devices in a /dev are free; None: the kernel adds to it."""
    if _is_devtmpfs(devices):
        return None
    there = [path.name for path in devices.glob("loop[0-9]*")]
    return sum(not (blocks / name / "loop" / "backing_file").exists() for name in there)


def _is_devtmpfs(devices: Path) -> bool:
    kinds = [mount.kind for mount in read_mounts() if mount.place == devices]
    return kinds[-1:] == ["devtmpfs"]
