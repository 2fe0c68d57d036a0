"""Machines that boot a kernel of their own: one QEMU process each."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from amikiln_localcloud.children import Launcher, end_recorded_processes
from amikiln_localcloud.home import Home
from amikiln_localcloud.machines.addresses import Address
from amikiln_localcloud.machines.contract import MachineFailure, MachinePlan
from amikiln_localcloud.machines.disk_machine import DiskHypervisor, DiskMachine, MachineFiles
from amikiln_localcloud.machines.guest_values import RegistryAddress
from amikiln_localcloud.machines.imds import MetadataService
from amikiln_localcloud.machines.qemu_command import (
    REACHABILITY_PORT,
    QemuFiles,
    build_command,
    write_credentials,
)
from amikiln_localcloud.machines.qemu_process import QemuProcess
from amikiln_localcloud.machines.qmp import QmpError
from amikiln_localcloud.machines.unix_sockets import listen_on


class QemuHypervisor(DiskHypervisor):
    """Makes machines that are QEMU processes.

    Args:
        home: Where machines' directories and snapshots are.
        launcher: Starts the processes.
        accelerator: QEMU's arguments that choose KVM or TCG: see accelerator.py.
        registry: Where the name of the container registry leads in guests.
    """

    def __init__(
        self,
        home: Home,
        launcher: Launcher,
        accelerator: Sequence[str],
        registry: RegistryAddress | None = None,
    ) -> None:
        super().__init__(home)
        self._launcher = launcher
        self._accelerator = tuple(accelerator)
        self._registry = registry

    def _machine(self, plan: MachinePlan, files: MachineFiles, address: Address) -> DiskMachine:
        return QemuMachine(
            plan,
            QemuFiles(files.directory),
            address,
            self._launcher,
            self._accelerator,
            self._registry,
        )

    def end_leftovers(self, files: MachineFiles) -> None:
        """End what a killed daemon left of a machine, apart from its directory."""
        end_recorded_processes(QemuFiles(files.directory).pid, files.directory)


class QemuMachine(DiskMachine):
    """One virtual machine; the hypervisor makes it."""

    def __init__(
        self,
        plan: MachinePlan,
        files: QemuFiles,
        address: Address,
        launcher: Launcher,
        accelerator: Sequence[str],
        registry: RegistryAddress | None,
    ) -> None:
        super().__init__(plan, files, address)
        self._qemu_files = files
        self._launcher = launcher
        self._accelerator = accelerator
        self._registry = registry
        self._imds = MetadataService(listen_on(files.imds_socket), plan.metadata)

    def _close(self) -> None:
        self._imds.close()

    def _boot(self) -> QemuProcess:
        files, metadata = self._qemu_files, self._plan.metadata()
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
