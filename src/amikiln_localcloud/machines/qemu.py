"""Machines that are QEMU processes."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from amikiln.runtime.files import remove_partial_directories
from amikiln_localcloud.children import Launcher, end_recorded_processes
from amikiln_localcloud.home import Home
from amikiln_localcloud.machines import disks
from amikiln_localcloud.machines.addresses import Address, claim_address
from amikiln_localcloud.machines.contract import (
    Ending,
    Health,
    MachineFailure,
    MachinePlan,
    SnapshotFiles,
)
from amikiln_localcloud.machines.imds import MetadataService
from amikiln_localcloud.machines.qemu_command import (
    REACHABILITY_PORT,
    MachineFiles,
    RegistryAddress,
    build_command,
    write_credentials,
)
from amikiln_localcloud.machines.qemu_process import QemuProcess
from amikiln_localcloud.machines.qmp import QmpError


class QemuHypervisor:
    """Makes machines that are QEMU processes.

    Args:
        home: Has the directories of machines and snapshots.
        launcher: Starts the processes.
        accelerator: QEMU's arguments that choose KVM or TCG: see accelerator.py.
        registry: The address on the host to which guests' connections to the registry lead.
    """

    def __init__(
        self,
        home: Home,
        launcher: Launcher,
        accelerator: Sequence[str],
        registry: RegistryAddress | None = None,
    ) -> None:
        self._home = home
        self._launcher = launcher
        self._accelerator = tuple(accelerator)
        self._registry = registry
        self._machines: list[QemuMachine] = []

    def create(self, plan: MachinePlan) -> QemuMachine:
        """Create the machine's directory and disk and find it an address, without starting it.

        Raises:
            MachineFailure: No address or no disk space left.
        """
        files = MachineFiles(self._home.instances / plan.instance_id)
        address = claim_address()
        try:
            files.directory.mkdir(mode=0o700, parents=True)
            disks.create_overlay(plan.source, files.disk, plan.volume_gib)
            machine = QemuMachine(
                plan, files, address, self._launcher, self._accelerator, self._registry
            )
        except (OSError, MachineFailure) as error:
            address.release()
            shutil.rmtree(files.directory, ignore_errors=True)
            raise MachineFailure(f"cannot make {plan.instance_id}: {error}") from error
        self._machines.append(machine)
        return machine

    def sweep(self) -> None:
        """End and remove what a killed daemon left: processes, sockets, unfinished files."""
        for directory in _list_directories(self._home.instances):
            end_recorded_processes(MachineFiles(directory).pid, directory)
            shutil.rmtree(directory, ignore_errors=True)
        remove_partial_directories(self._home.snapshots)

    def close(self) -> None:
        """Destroy every machine made here."""
        for machine in self._machines:
            machine.destroy()


class QemuMachine:
    """One virtual machine."""

    def __init__(
        self,
        plan: MachinePlan,
        files: MachineFiles,
        address: Address,
        launcher: Launcher,
        accelerator: Sequence[str],
        registry: RegistryAddress | None,
    ) -> None:
        self._plan = plan
        self._files = files
        self._address = address
        self._launcher = launcher
        self._accelerator = accelerator
        self._registry = registry
        self._imds = MetadataService(files.imds_socket, plan.metadata)
        self._run: QemuProcess | None = None
        self._on_end: Callable[[Ending], None] = lambda ending: None
        # Held while the machine must not change: by start, stop, and a copy of its disk.
        self._lock = threading.RLock()
        self._saving = False
        self._destroyed = False

    @property
    def address(self) -> str:
        return self._address.ip

    @property
    def health(self) -> Health:
        run = self._run
        return run.health.health if run else Health.INITIALIZING

    def start(self, on_end: Callable[[Ending], None]) -> None:
        """Boot; return when the virtual processors run.

        Raises:
            MachineFailure: QEMU did not start; the message has QEMU's reason.
        """
        with self._lock:
            if self._destroyed:
                raise MachineFailure(f"{self._plan.instance_id} is terminated")
            if self._run and not self._run.ended.is_set():
                raise MachineFailure(f"{self._plan.instance_id} runs already")
            self._on_end = on_end
            self._run = self._boot()

    def stop(self, deadline_seconds: float) -> None:
        """Press the power button; cut the power after the deadline."""
        with self._lock:
            if self._run:
                self._run.shut_down(deadline_seconds)

    def reboot(self, deadline_seconds: float) -> None:
        """Reset as EC2 does: press the power button, boot again; ``on_end`` stays silent."""
        with self._lock:
            self.stop(deadline_seconds)
            self.start(self._on_end)

    def destroy(self) -> None:
        """End the machine at once and remove its disk; calling it twice is no error."""
        self._destroyed = True
        if self._run and not self._saving:
            self._run.kill()  # without the lock: this ends a stop that holds it
        with self._lock:
            if self._run:
                self._run.kill()
            self._imds.close()
            self._address.release()
            shutil.rmtree(self._files.directory, ignore_errors=True)

    def console(self) -> bytes:
        """Return the serial console's output since the last start."""
        with contextlib.suppress(FileNotFoundError):
            return self._files.console.read_bytes()
        return b""

    def save(self, target: SnapshotFiles) -> None:
        """Save this machine's disk as a snapshot, whether the machine runs or not.

        Raises:
            MachineFailure: The disk is full, has no kernel inside, or was not copied completely.
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

    def _copy_while_running(self, run: QemuProcess, partial: SnapshotFiles) -> None:
        # Into an overlay first: QEMU's backup would fill the holes of a raw file.
        overlay = partial.directory / "disk.qcow2"
        disks.create_overlay(self._plan.source, overlay, self._plan.volume_gib)
        run.copy_writes(overlay)
        disks.flatten(overlay, partial.disk)
        overlay.unlink()
        disks.replay_journal(partial.disk)

    def _boot(self) -> QemuProcess:
        files, metadata = self._files, self._plan.metadata()
        try:
            write_credentials(files, metadata)
            files.console.write_bytes(b"")
            files.qemu_log.write_bytes(b"")
            ours, theirs = socket.socketpair()
            with theirs:
                argv = build_command(
                    files=files,
                    source=self._plan.source,
                    accelerator=self._accelerator,
                    cores=self._plan.cores,
                    memory_mib=self._plan.memory_mib,
                    address=self.address,
                    registry=self._registry,
                    metadata=metadata,
                    monitor_fd=theirs.fileno(),
                )
                process = self._launcher.start(argv, files.qemu_log, pass_fds=[theirs.fileno()])
        except OSError as error:
            raise MachineFailure(f"cannot start {self._plan.instance_id}: {error}") from error
        run = QemuProcess(process, ours, (self.address, REACHABILITY_PORT), self._on_end)
        try:
            run.wait_until_running()
        except QmpError as error:
            run.kill()
            said = "; ".join(files.qemu_log.read_text(errors="replace").split("\n")).strip("; ")
            raise MachineFailure(f"QEMU did not start: {said or error}") from error
        return run


def _list_directories(parent: Path) -> list[Path]:
    return [entry for entry in parent.iterdir() if entry.is_dir()] if parent.is_dir() else []
