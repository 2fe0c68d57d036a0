"""Where the host's PID 1 is systemd: each machine is a transient scope below a slice of its own.

systemd owns the control groups of such a host, and gives a part of them away (Delegate=yes):
https://systemd.io/CGROUP_DELEGATION/. The scope is no part of the session of the user who started
the machine, and ends with its last process.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from amikiln.runtime import process
from amikiln_localcloud.machines.container import kernel_settings
from amikiln_localcloud.machines.container.boot_groups import divide
from amikiln_localcloud.machines.container.cgroups import (
    Hierarchies,
    MachineCgroup,
    MachineGroup,
    kill_all,
    read_memory_mib,
)

RUNS = Path("/run/systemd/system")
"""There if PID 1 is systemd: sd_booted(3)."""

SLICE = "amikiln.slice"
DEVICES = ("char-pts rw", "/dev/tty rw", "/dev/ptmx rw", "/dev/net/tun rw", "/dev/fuse rw")
"""Beside null, zero, full, random and urandom, which DevicePolicy=closed leaves."""
MADE_DEVICES = ("char-* m", "block-* m")
"""Any may be made, as Docker does for its containers; to open one is another matter."""


def is_used() -> bool:
    """Tell whether PID 1 is systemd, which owns control groups and limits devices by itself."""
    return RUNS.is_dir()


def enclose(hierarchies: Hierarchies, instance_id: str) -> MachineCgroup:
    """Return the control group of a machine, as this host has them."""
    if is_used():
        return MachineScope(hierarchies.unified, instance_id)
    return MachineGroup(hierarchies, instance_id)


class MachineScope:
    """One machine's transient scope."""

    def __init__(self, unified: Path, instance_id: str) -> None:
        self.unit = f"amikiln-{instance_id}.scope"
        self._folder = unified / SLICE / self.unit

    def create(self, memory_mib: int) -> list[str]:
        """Return what runs a program in the scope; systemd makes it at that moment.

        It is systemd's, and what is below it ours: the limits are there.

        systemd-run executes the program in its own place, so that its process id stays the same.
        """
        self.end()
        properties = ("Delegate=yes", "TasksMax=infinity")  # limits: boot_groups.py
        argv = ["systemd-run", "--scope", "--collect", "--quiet"]
        argv += [f"--slice={SLICE}", f"--unit={self.unit}"]
        argv += [f"--property={value}" for value in properties]
        return [*argv, "--", *divide(self._folder)]

    def restrict(self) -> None:
        """From now on the host's devices and settings are out of reach; what is open stays so."""
        allowed = [f"DeviceAllow={device}" for device in (*DEVICES, *MADE_DEVICES)]
        process.run(
            ["systemctl", "set-property", "--runtime", self.unit, "DevicePolicy=closed", *allowed]
        )
        kernel_settings.protect(self._folder)

    def read_memory_mib(self) -> int:
        """Return what its processes use; 0 where no controller counts it."""
        return read_memory_mib(self._folder, "anon")

    def end(self) -> None:
        """Kill what is still in the scope, and wait until systemd has forgotten it.

        Until then there can be no scope of the same name.
        """
        kill_all(self._folder)
        with contextlib.suppress(process.CommandFailed):  # there is none any more
            process.run(["systemctl", "stop", "--quiet", self.unit])
