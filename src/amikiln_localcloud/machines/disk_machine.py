"""What all kinds of machines share: a directory, a disk of its own, an address, a life.

A kind adds how a machine boots: ``qemu.py``, ``container/machine.py``.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from amikiln.runtime.files import remove_partial_directories
from amikiln_localcloud.home import Home
from amikiln_localcloud.machines import disks
from amikiln_localcloud.machines.addresses import Address, claim_address
from amikiln_localcloud.machines.contract import (
    Health,
    MachineFailure,
    MachinePlan,
    OnEnd,
    SnapshotFiles,
)


@dataclass(frozen=True)
class MachineFiles:
    """What is in a machine's directory, whatever its kind."""

    directory: Path

    @property
    def disk(self) -> Path:
        return self.directory / "disk.qcow2"

    @property
    def console(self) -> Path:
        return self.directory / "console.log"

    @property
    def credentials(self) -> Path:
        """What systemd in the machine is given, one file each."""
        return self.directory / "credentials"


class Boot(Protocol):
    """A machine from one start to its end."""

    ended: threading.Event

    @property
    def health(self) -> Health: ...

    def shut_down(self, deadline_seconds: float) -> None:
        """Press the power button; pull the plug after the deadline."""

    def kill(self) -> None:
        """Pull the plug."""

    def copy_writes(self, target: Path) -> None:
        """Copy what was written to the disk until this moment into an overlay like its own.

        Raises:
            MachineFailure: The copy is not complete.
        """


class DiskHypervisor(ABC):
    """Makes machines of one kind.

    Args:
        home: Where machines' directories and snapshots are.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._machines: list[DiskMachine] = []

    def create(self, plan: MachinePlan) -> DiskMachine:
        """Give the machine its directory, disk and address; nothing runs yet.

        Raises:
            MachineFailure: No address or no disk space left.
        """
        files = MachineFiles(self._home.instances / plan.instance_id)
        address = self._claim_address()
        try:
            files.directory.mkdir(mode=0o700, parents=True)
            disks.create_overlay(plan.source, files.disk, plan.volume_gib)
            machine = self._machine(plan, files, address)
        except (OSError, MachineFailure) as error:
            address.release()
            shutil.rmtree(files.directory, ignore_errors=True)
            raise MachineFailure(f"cannot make {plan.instance_id}: {error}") from error
        self._machines.append(machine)
        return machine

    def sweep(self) -> None:
        """End and remove what a killed daemon left: processes, sockets, half-written files."""
        instances = self._home.instances
        for directory in instances.iterdir() if instances.is_dir() else ():
            if directory.is_dir():
                self.end_leftovers(MachineFiles(directory))
                shutil.rmtree(directory, ignore_errors=True)
        remove_partial_directories(self._home.snapshots)

    def close(self) -> None:
        """Destroy every machine made here."""
        for machine in self._machines:
            machine.destroy()

    def _claim_address(self) -> Address:
        return claim_address()

    @abstractmethod
    def _machine(self, plan: MachinePlan, files: MachineFiles, address: Address) -> DiskMachine:
        """Return the machine whose disk and address are there."""

    @abstractmethod
    def end_leftovers(self, files: MachineFiles) -> None:
        """End what a killed daemon left of a machine, apart from its directory."""


class DiskMachine(ABC):
    """One machine; a hypervisor makes it."""

    def __init__(self, plan: MachinePlan, files: MachineFiles, address: Address) -> None:
        self._plan = plan
        self._files = files
        self._address = address
        self._run: Boot | None = None
        self._on_end: OnEnd = lambda ending, why: None
        # Held by whatever needs the machine to stay as it is: start, stop, a copy of its disk.
        self._lock = threading.RLock()
        self._saving = False
        self._destroyed = False

    @property
    def address(self) -> str:
        return self._address.ip

    @property
    def is_starting(self) -> bool:
        """Whether it has never run yet."""
        return self._run is None and not self._destroyed

    @property
    def is_running(self) -> bool:
        run = self._run
        return run is not None and not run.ended.is_set()

    @property
    def health(self) -> Health:
        run = self._run
        return run.health if run else Health.INITIALIZING

    def start(self, on_end: OnEnd) -> None:
        """Boot; return when the system begins to.

        Raises:
            MachineFailure: It did not start; why, in its own words.
        """
        with self._lock:
            if self._destroyed:
                raise MachineFailure(f"{self._plan.instance_id} is terminated")
            if self._run and not self._run.ended.is_set():
                raise MachineFailure(f"{self._plan.instance_id} runs already")
            self._on_end = on_end
            self._run = self._boot()

    def stop(self, deadline_seconds: float) -> None:
        """Press the power button; pull the plug after the deadline."""
        with self._lock:
            if self._run:
                self._run.shut_down(deadline_seconds)

    def reboot(self, deadline_seconds: float) -> None:
        """Reset as EC2 does: press the power button, boot again; ``on_end`` stays silent."""
        with self._lock:
            self.stop(deadline_seconds)
            self.start(self._on_end)

    def destroy(self) -> None:
        """End the machine at once and remove its disk. Never fails for being called twice."""
        self._destroyed = True
        if self._run and not self._saving:
            self._run.kill()  # without the lock: who stops the machine holds it, and need not wait
        with self._lock:
            if self._run:
                self._run.kill()
            self._close()
            self._address.release()
            shutil.rmtree(self._files.directory, ignore_errors=True)

    def console(self) -> bytes:
        """Return the console's output since the last start."""
        with contextlib.suppress(FileNotFoundError):
            return self._files.console.read_bytes()
        return b""

    def save(self, target: SnapshotFiles) -> None:
        """Write this machine's disk as a snapshot, whether it runs or not.

        Raises:
            MachineFailure: Disk full, no kernel inside, or the copy was cut short.
        """
        with self._lock, disks.fill_snapshot(target) as partial:
            self._saving = True
            try:
                if self._run and not self._run.ended.is_set():
                    self._copy_while_running(self._run, partial)
                else:
                    disks.flatten(self._files.disk, partial.disk)
            finally:
                self._saving = False
            disks.take_out_kernel(partial)

    def _copy_while_running(self, run: Boot, partial: SnapshotFiles) -> None:
        # Not at once into the raw file: QEMU's backup would fill its holes.
        overlay = partial.directory / "disk.qcow2"
        disks.create_overlay(self._plan.source, overlay, self._plan.volume_gib)
        run.copy_writes(overlay)
        disks.flatten(overlay, partial.disk)
        overlay.unlink()
        disks.replay_journal(partial.disk)

    @abstractmethod
    def _boot(self) -> Boot:
        """Start the machine.

        Raises:
            MachineFailure: It did not start.
        """

    def _close(self) -> None:  # noqa: B027  (a kind may hold nothing)
        """Close what a kind holds for a machine, whether it runs or not."""
