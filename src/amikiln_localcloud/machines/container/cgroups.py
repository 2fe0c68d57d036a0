"""A control group for each container machine: its limits, its devices, and its certain end.

Without a group of its own, all machines of one host would share the group that systemd-nspawn
makes for what is inside, and stopping Docker in one would end the containers of another.

https://docs.kernel.org/admin-guide/cgroup-v2.html; for hosts that mount version 1 beside it:
https://docs.kernel.org/admin-guide/cgroup-v1/devices.html
"""

from __future__ import annotations

import contextlib
import select
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from amikiln_localcloud.machines.container import kernel_settings
from amikiln_localcloud.machines.container.boot_groups import (
    MIB,
    MOST_PROCESSES,
    divide,
    remove_tree,
)
from amikiln_localcloud.machines.container.mounts import read_mounts

END_SECONDS = 10.0

DEVICES = (
    "c *:* m",  # any may be made, as Docker does for its containers; to open one is another matter
    "b *:* m",
    *(f"c 1:{number} rwm" for number in (3, 5, 7, 8, 9)),  # null, zero, full, random, urandom
    *(f"c 5:{number} rwm" for number in (0, 1, 2)),  # tty, console, ptmx
    "c 136:* rwm",  # the other ends of pseudo-terminals
    "c 10:200 rwm",  # net/tun
    "c 10:229 rwm",  # fuse
)
"""What a machine may open; the host's disks and other machines' loop devices are not among it."""


@dataclass(frozen=True)
class Hierarchies:
    """Where this host has its control groups mounted.

    Attributes:
        unified: Version 2's root.
        controllers: Version 1's, by the name of the controller: those that are not in version 2.
    """

    unified: Path
    controllers: dict[str, Path]

    @classmethod
    def of_this_host(cls) -> Hierarchies | None:
        """Return them; None where there is no cgroup 2."""
        unified: Path | None = None
        controllers: dict[str, Path] = {}
        for mount in read_mounts():
            if mount.kind == "cgroup2":
                unified = unified or mount.place
            elif mount.kind == "cgroup":
                controllers |= dict.fromkeys(mount.options, mount.place)
        known = ("devices", "memory", "pids")
        found = {name: controllers[name] for name in known if name in controllers}
        return cls(unified, found) if unified is not None else None

    @property
    def limits_memory(self) -> bool:
        return "memory" in self.controllers or "memory" in self._version_2()

    @property
    def limits_processes(self) -> bool:
        return "pids" in self.controllers or "pids" in self._version_2()

    @property
    def limits_devices(self) -> bool:
        return "devices" in self.controllers

    def _version_2(self) -> list[str]:
        return (self.unified / "cgroup.subtree_control").read_text().split()


class MachineCgroup(Protocol):
    """What a machine's processes are in: limits, devices, and their certain end."""

    def create(self, memory_mib: int) -> list[str]:
        """Make it, and return the arguments before a program's that run the program in it.

        Args:
            memory_mib: What the machine may use.
        """

    def restrict(self) -> None:
        """From now on nothing in it opens a device of the host's or changes the host's settings.

        What is open stays so.
        """

    def read_memory_mib(self) -> int:
        """Return what its processes use, without what the kernel can take back; 0: unknown."""

    def end(self) -> None:
        """Kill what is still in it, and remove it."""


class MachineGroup:
    """One machine's groups, of one name in each hierarchy."""

    def __init__(self, hierarchies: Hierarchies, instance_id: str) -> None:
        self._hierarchies = hierarchies
        self.name = f"amikiln-{instance_id}"
        self._unified = hierarchies.unified / self.name

    @property
    def all(self) -> list[Path]:
        """Every group's folder."""
        return [self._unified, *(p / self.name for p in self._hierarchies.controllers.values())]

    def create(self, memory_mib: int) -> list[str]:
        """Make the groups and set their limits; return what runs a program in them."""
        self.end()  # what a killed daemon left of them, restrictions included
        for folder in self.all:
            folder.mkdir()
        limits: dict[Path, int] = {}  # version 2's are in boot_groups.py
        for name, file, value in (
            ("memory", "memory.limit_in_bytes", memory_mib * MIB),
            ("pids", "pids.max", MOST_PROCESSES),
        ):
            if name in self._hierarchies.controllers:
                limits[self._hierarchies.controllers[name] / self.name / file] = value
        for limit, value in limits.items():
            if limit.exists():
                limit.write_text(str(value))
        enter = "".join(
            f"echo $$ >{shlex.quote(str(folder / 'cgroup.procs'))} && " for folder in self.all
        )
        return ["sh", "-c", f'{enter}exec "$@"', "sh", *divide(self._unified)]

    def restrict(self) -> None:
        """From now on the host's devices and settings are out of reach; what is open stays so."""
        if devices := self._hierarchies.controllers.get("devices"):
            (devices / self.name / "devices.deny").write_text("a")
            for device in DEVICES:
                (devices / self.name / "devices.allow").write_text(device)
        kernel_settings.protect(self._unified)

    def read_memory_mib(self) -> int:
        """Return what its processes use; 0 where no controller counts it."""
        if memory := self._hierarchies.controllers.get("memory"):
            return read_memory_mib(memory / self.name, "total_rss")
        return read_memory_mib(self._unified, "anon")

    def end(self) -> None:
        """Kill what is still in the groups, and remove them with all that is below them."""
        kill_all(self._unified)
        self._remove()

    def _remove(self) -> None:
        for folder in self.all:
            remove_tree(folder)  # one that a dying process is still in goes with the next sweep


def read_memory_mib(folder: Path, name: str) -> int:
    """Return one figure of a group's memory.stat in MiB; 0: there is none."""
    with contextlib.suppress(OSError):
        for line in (folder / "memory.stat").read_text().splitlines():
            key, _, size = line.partition(" ")
            if key == name:
                return int(size) // MIB
    return 0


def kill_all(folder: Path) -> None:
    """Kill what is in a group of version 2, and wait for the kernel's word that none is left."""
    deadline = time.monotonic() + END_SECONDS
    with contextlib.suppress(OSError):  # it is gone, or goes with the last process
        (folder / "cgroup.kill").write_text("1")
        with (folder / "cgroup.events").open() as events:
            watch = select.poll()
            watch.register(events, select.POLLPRI)
            while "populated 1" in events.read():
                left = deadline - time.monotonic()
                if left <= 0:
                    return
                watch.poll(left * 1000)
                events.seek(0)
