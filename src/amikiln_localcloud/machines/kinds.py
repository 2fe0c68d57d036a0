"""Which kind of machine this host has: KVM, else containers, else emulation.

KVM is what EC2 has. Containers run at the processor's own speed where there is no KVM, and share
the host's kernel. Emulation works everywhere, and is slow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from amikiln.errors import PreflightError, SpecError
from amikiln.runtime.progress import Reporter
from amikiln_localcloud.children import Launcher
from amikiln_localcloud.home import Home
from amikiln_localcloud.machines import accelerator
from amikiln_localcloud.machines.container import trial
from amikiln_localcloud.machines.container.cgroups import Hierarchies
from amikiln_localcloud.machines.container.machine import ContainerHypervisor
from amikiln_localcloud.machines.contract import SnapshotFiles
from amikiln_localcloud.machines.disk_machine import DiskHypervisor
from amikiln_localcloud.machines.guest_values import RegistryAddress
from amikiln_localcloud.machines.qemu import QemuHypervisor


class Kind(StrEnum):
    """How machines run."""

    KVM = "kvm"
    CONTAINER = "container"
    EMULATED = "emulated"


@dataclass(frozen=True)
class Choice:
    """The kind of a local cloud's machines.

    Attributes:
        kind: How they run.
        reason: Why that one, in one line.
    """

    kind: Kind
    reason: str

    @property
    def accelerator(self) -> Sequence[str]:
        """QEMU's arguments, for machines that it runs."""
        return accelerator.KVM if self.kind is Kind.KVM else accelerator.EMULATION

    def __str__(self) -> str:
        return f"machines are {DESCRIPTIONS[self.kind]}: {self.reason}"


DESCRIPTIONS = {
    Kind.KVM: "virtual machines with KVM",
    Kind.CONTAINER: "system containers, which share this host's kernel",
    Kind.EMULATED: "emulated by QEMU",
}


def parse_kind(name: str | None) -> Kind | None:
    """Return the kind that was asked for by name; None for none.

    Raises:
        SpecError: There is no such kind; names all.
    """
    if not name:
        return None
    try:
        return Kind(name)
    except ValueError:
        raise SpecError(
            f"there is no kind of machine {name!r}", hint=f"one of {', '.join(Kind)}"
        ) from None


def choose_kind(wanted: Kind | None, cache: Path, base: SnapshotFiles, report: Reporter) -> Choice:
    """Return the kind that was asked for, or else the fastest that works here.

    Args:
        wanted: The kind that was asked for.
        cache: The cache directory, which keeps what trials found.
        base: What trials boot; nothing is written to it.
        report: Says what is tried.

    Raises:
        PreflightError: The kind that was asked for does not work here; why.
    """
    obstacles: dict[Kind, Callable[[], str | None]] = {
        Kind.KVM: lambda: accelerator.find_obstacle(cache, base, report),
        Kind.CONTAINER: lambda: trial.find_obstacle(cache, base, report),
        Kind.EMULATED: lambda: None,
    }
    if wanted is not None:
        obstacle = obstacles[wanted]()
        if obstacle:
            raise PreflightError(
                f"machines cannot be {DESCRIPTIONS[wanted]} here: {obstacle}",
                hint="without --machines the fastest kind that works here is chosen",
            )
        return Choice(wanted, "as asked for")
    reasons: list[str] = []
    for kind, find_obstacle in obstacles.items():
        obstacle = find_obstacle()
        if obstacle is None:
            return Choice(kind, "; ".join(reasons) or "it works here")
        reasons.append(f"not {kind}: {obstacle}")
    raise AssertionError("emulation has no obstacle")


def make_hypervisor(
    home: Home, launcher: Launcher, choice: Choice, registry: RegistryAddress
) -> DiskHypervisor:
    """Return what makes machines of the kind that was chosen.

    Args:
        home: Has the directories of machines and snapshots.
        launcher: Starts the processes.
        choice: The kind.
        registry: The address on the host to which machines' connections to the registry lead.

    Raises:
        PreflightError: The host has lost what the kind needs.
    """
    if choice.kind is not Kind.CONTAINER:
        return QemuHypervisor(home, launcher, choice.accelerator, registry)
    hierarchies = Hierarchies.of_this_host()
    if hierarchies is None:
        raise PreflightError("no cgroup 2 is mounted any more", hint="mount it, or choose a kind")
    virtual = QemuHypervisor(home, launcher, accelerator.EMULATION, registry)
    return ContainerHypervisor(home, launcher, hierarchies, registry, virtual)
