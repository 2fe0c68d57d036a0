"""Machines that are system containers: PID 1, network and disk are their own, the kernel is not."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from amikiln_localcloud.children import Launcher
from amikiln_localcloud.home import Home
from amikiln_localcloud.machines.addresses import Address, claim_address
from amikiln_localcloud.machines.container import hidden, sudo
from amikiln_localcloud.machines.container.cgroups import Hierarchies
from amikiln_localcloud.machines.container.keeper import Keeper, RootKeeper, Wanted
from amikiln_localcloud.machines.container.limits import find_shortage, read_room
from amikiln_localcloud.machines.container.process import ContainerProcess
from amikiln_localcloud.machines.container.registry_relay import RegistryRelay
from amikiln_localcloud.machines.container.scope import enclose
from amikiln_localcloud.machines.contract import MachineFailure, MachinePlan
from amikiln_localcloud.machines.disk_machine import DiskHypervisor, DiskMachine, MachineFiles
from amikiln_localcloud.machines.guest_values import (
    IMDS_ADDRESS,
    REGISTRY_ADDRESS,
    RegistryAddress,
    guest_values,
)
from amikiln_localcloud.machines.imds import MetadataService

CAPABILITIES = ("CAP_NET_ADMIN", "CAP_BPF", "CAP_PERFMON")
"""What Docker and BuildKit need beside nspawn's own (systemd-nspawn(1), --capability)."""

REFUSED_CAPABILITIES = (
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_MAC_ADMIN",
    "CAP_MAC_OVERRIDE",
)
"""The clock, the kernel's modules and the disks are the host's."""

SYSTEM_CALLS = ("@keyring", "bpf", "@mount")
"""What nspawn refuses, and runc cannot do without."""


class ContainerHypervisor(DiskHypervisor):
    """Makes machines that are system containers.

    Args:
        home: Where machines' directories and snapshots are.
        launcher: Starts the processes.
        hierarchies: The host's control groups.
        registry: Where the name of the container registry leads in machines.
        virtual: Makes the machines that have to boot a kernel; without it, none can.
    """

    def __init__(
        self,
        home: Home,
        launcher: Launcher,
        hierarchies: Hierarchies,
        registry: RegistryAddress | None = None,
        virtual: DiskHypervisor | None = None,
    ) -> None:
        super().__init__(home)
        self._launcher = launcher
        self._hierarchies = hierarchies
        self._registry = registry
        self._virtual = virtual
        self._containers: list[ContainerMachine] = []

    def create(self, plan: MachinePlan) -> DiskMachine:
        """Make a container, or a virtual machine if the plan asks for a kernel of its own."""
        if not plan.boots_kernel:
            return super().create(plan)
        if self._virtual is None:
            raise MachineFailure(f"cannot make {plan.instance_id}: a container boots no kernel")
        return self._virtual.create(plan)

    def close(self) -> None:
        """Destroy every machine made here."""
        super().close()
        if self._virtual is not None:
            self._virtual.close()

    def _machine(self, plan: MachinePlan, files: MachineFiles, address: Address) -> DiskMachine:
        keeper = self._make_keeper(plan.instance_id, files)
        machine = ContainerMachine(plan, files, address, keeper, self._registry, self._check_room)
        self._containers.append(machine)
        return machine

    def _claim_address(self) -> Address:
        return claim_address(for_root=sudo.is_needed())

    def _make_keeper(self, instance_id: str, files: MachineFiles) -> Keeper:
        if sudo.is_needed():
            return sudo.SudoKeeper(instance_id, files.directory / "root.log")
        return RootKeeper(enclose(self._hierarchies, instance_id), self._launcher)

    def _check_room(self, machine: ContainerMachine) -> None:
        """See that what machines share is enough for one more.

        Raises:
            MachineFailure: It is not; what is short, and what mends it.
        """
        others = [other for other in self._containers if other is not machine]
        starting = 1 + sum(other.is_starting for other in others)
        running = sum(other.is_running for other in others)
        own = machine.memory_mib
        promised = own + sum(
            other.memory_mib if other.is_starting else other.read_free_memory_mib()
            for other in others
            if other.is_starting or other.is_running
        )
        room = read_room(self._home.instances)
        shortage = find_shortage(room, running + starting, starting, promised, own)
        if shortage:
            raise MachineFailure(f"no room for another machine: {shortage}")

    def end_leftovers(self, files: MachineFiles) -> None:
        """End what a killed daemon left of a machine, apart from its directory."""
        if self._virtual is not None:
            self._virtual.end_leftovers(files)
        if sudo.is_needed():
            with contextlib.suppress(MachineFailure):  # it goes with the next sweep
                sudo.ask("end", files.directory.name)
        else:
            enclose(self._hierarchies, files.directory.name).end()


class ContainerMachine(DiskMachine):
    """One system container; the hypervisor makes it."""

    def __init__(
        self,
        plan: MachinePlan,
        files: MachineFiles,
        address: Address,
        keeper: Keeper,
        registry: RegistryAddress | None,
        check_room: Callable[[ContainerMachine], None],
    ) -> None:
        super().__init__(plan, files, address)
        self._check_room = check_room
        self._keeper = keeper
        self._registry = registry

    @property
    def memory_mib(self) -> int:
        """What its type has."""
        return self._plan.memory_mib

    def read_free_memory_mib(self) -> int:
        """Return how much more memory it may take."""
        return max(0, self.memory_mib - self._keeper.read_memory_mib())

    def _boot(self) -> ContainerProcess:
        plan, files = self._plan, self._files
        self._check_room(self)
        metadata = plan.metadata()
        try:
            values = self._write_values(guest_values(metadata))
            files.console.write_bytes(b"")
            started = self._keeper.start(
                Wanted(
                    directory=files.directory,
                    memory_mib=plan.memory_mib,
                    cores=plan.cores,
                    nspawn=build_nspawn_command(files.directory, values),
                    address=self.address,
                    listen=[IMDS_ADDRESS, *([REGISTRY_ADDRESS] if self._registry else [])],
                )
            )
        except OSError as error:
            raise MachineFailure(f"cannot start {plan.instance_id}: {error}") from error
        services = ExitStack()
        imds, *others = started.listeners
        services.callback(MetadataService(imds, plan.metadata).close)
        if self._registry:
            services.callback(RegistryRelay(others[0], self._registry).close)
        run = ContainerProcess(started, files.directory, self._keeper, services.close, self._on_end)
        run.wait_until_running()
        return run

    def _write_values(self, values: dict[str, bytes]) -> Sequence[Path]:
        """Write what the machine's own units need, as credentials for its systemd."""
        folder = self._files.credentials
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        for name, value in values.items():
            (folder / name).write_bytes(value)
        return sorted(folder.iterdir())


def build_nspawn_command(directory: Path, credentials: Sequence[Path]) -> list[str]:
    """Return the command that boots what is mounted in a machine's directory.

    https://www.freedesktop.org/software/systemd/man/252/systemd-nspawn.html
    """
    argv = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot"]
    argv += [f"--directory={directory}/root", f"--machine={directory.name}"]
    # A machine's first process may have as many as the kernel allows; nspawn gives as many of them
    # as the host can.
    argv += ["--rlimit=RLIMIT_NOFILE=1024:1048576"]
    argv += ["--console=read-only", f"--network-namespace-path={directory}/netns"]
    argv += [f"--capability={','.join(CAPABILITIES)}"]
    argv += [f"--drop-capability={','.join(REFUSED_CAPABILITIES)}"]
    argv += [f"--system-call-filter={' '.join(SYSTEM_CALLS)}"]
    argv += hidden.cover_lists()
    return argv + [f"--load-credential={file.name}:{file}" for file in credentials]
