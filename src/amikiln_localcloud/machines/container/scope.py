"""Where the host's PID 1 is systemd: each machine is a transient scope below a slice of its own.

systemd owns the control groups of such a host, and gives a part of them away (Delegate=yes):
https://systemd.io/CGROUP_DELEGATION/. The scope is no part of the session of the user who started
the machine, and ends with its last process.
"""

from __future__ import annotations

from pathlib import Path

from amikiln.runtime import process
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


def enclose(hierarchies: Hierarchies, instance_id: str) -> MachineCgroup:
    """Return the control group of a machine, as this host has them."""
    if RUNS.is_dir():
        return MachineScope(hierarchies.unified, instance_id)
    return MachineGroup(hierarchies, instance_id)


class MachineScope:
    """One machine's transient scope."""

    def __init__(self, unified: Path, instance_id: str) -> None:
        self.unit = f"amikiln-{instance_id}.scope"
        self._folder = unified / SLICE / self.unit

    def create(self, memory_mib: int) -> list[str]:
        """Return what runs a program in the scope; systemd makes it at that moment.

        systemd-run executes the program in its own place, so that its process id stays the same.
        """
        self.end()
        properties = ("Delegate=yes", "TasksMax=infinity", f"MemoryMax={memory_mib}M")
        argv = ["systemd-run", "--scope", "--collect", "--quiet"]
        argv += [f"--slice={SLICE}", f"--unit={self.unit}"]
        return [*argv, *(f"--property={value}" for value in properties), "--"]

    def restrict_devices(self) -> None:
        """From now on nothing in the scope opens a device of the host's; what is open stays so."""
        allowed = [f"DeviceAllow={device}" for device in (*DEVICES, *MADE_DEVICES)]
        process.run(
            ["systemctl", "set-property", "--runtime", self.unit, "DevicePolicy=closed", *allowed]
        )

    def read_memory_mib(self) -> int:
        """Return what its processes use; 0 where no controller counts it."""
        return read_memory_mib(self._folder, "anon")

    def end(self) -> None:
        """Kill what is still in the scope, which then vanishes."""
        kill_all(self._folder)
