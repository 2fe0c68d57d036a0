"""What of a container machine needs root: its control group, its namespaces, its network's end.

Where the local cloud itself runs as root, it does this (``RootKeeper``). Where a user runs it who
may become root by sudo without a password, one small process for each machine does (sudo.py).
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from amikiln.runtime import process
from amikiln_localcloud.children import Launcher
from amikiln_localcloud.machines.container import freezer, namespaces
from amikiln_localcloud.machines.container.cgroups import MachineCgroup
from amikiln_localcloud.machines.container.namespaces import Started
from amikiln_localcloud.machines.contract import MachineFailure


@dataclass(frozen=True)
class Wanted:
    """A boot of a machine.

    Attributes:
        directory: The machine's.
        memory_mib: What it may use.
        cores: How many of the host's processors it may use.
        nspawn: The command that boots it.
        address: The host's address whose port 22 leads to the machine's.
        listen: Link-local addresses on which it asks the host.
    """

    directory: Path
    memory_mib: int
    cores: int
    nspawn: Sequence[str]
    address: str
    listen: Sequence[str]


class Keeper(Protocol):
    """Does with root's rights what one machine needs."""

    def start(self, wanted: Wanted) -> Started:
        """Start the machine's supervisor in its group and namespaces, with its network.

        Raises:
            MachineFailure: Something did not start; why, in its own words.
            OSError: A file cannot be made.
        """

    def restrict(self) -> None:
        """From now on the host's devices and settings are out of the machine's reach.

        Raises:
            MachineFailure: They are not.
        """

    def read_memory_mib(self) -> int:
        """Return what its processes use, without what the kernel can take back; 0: unknown."""

    def start_freezer(self, root: int, until: int, told: int) -> None:
        """Hold the file system of an open folder still: see freezer.py.

        Args:
            root: The folder's descriptor; this and the others stay the caller's.
            until: The end of a pipe whose closing ends it.
            told: The end of a pipe that it writes to when the file system is frozen.
        """

    def end(self) -> None:
        """Kill what is left of the machine, and remove its group."""


class RootKeeper:
    """Does it in this process, which is root's.

    Args:
        group: The machine's control group.
        launcher: Starts the processes.
    """

    def __init__(self, group: MachineCgroup, launcher: Launcher) -> None:
        self._group = group
        self._launcher = launcher

    def start(self, wanted: Wanted) -> Started:
        """Start the supervisor; nothing is left if that fails."""
        try:
            return namespaces.start(
                directory=wanted.directory,
                enter=self._group.create(wanted.memory_mib),
                memory_mib=wanted.memory_mib,
                cores=wanted.cores,
                nspawn=wanted.nspawn,
                address=wanted.address,
                listen=wanted.listen,
                launcher=self._launcher,
            )
        except (OSError, MachineFailure):
            self._group.end()
            raise

    def restrict(self) -> None:
        """From now on the host's devices and settings are out of the machine's reach."""
        try:
            self._group.restrict()
        except (OSError, process.CommandFailed) as error:
            raise MachineFailure(f"the machine cannot be confined: {error}") from error

    def read_memory_mib(self) -> int:
        """Return what its processes use."""
        return self._group.read_memory_mib()

    def start_freezer(self, root: int, until: int, told: int) -> None:
        """Start the process, in a session of its own."""
        argv = [sys.executable, "-I", "-S", freezer.__file__, str(root)]
        child = subprocess.Popen(
            argv, stdin=until, stdout=told, pass_fds=[root], start_new_session=True
        )
        threading.Thread(target=child.wait, name="freezer", daemon=True).start()

    def end(self) -> None:
        """Kill what is left in the group, and remove it."""
        self._group.end()
