"""What the API side needs from a virtual machine, and what a machine needs to boot.

``qemu.py`` has the real ones; tests of the API side use fake ones.
Methods of a machine may block for seconds: never call one while holding the API's lock.
``address``, ``health`` and ``console`` answer at once, and take no lock that a callback is
called under. Callbacks come from the machine's own threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class SnapshotFiles:
    """A snapshot's directory. It exists under its final name only when it is complete."""

    directory: Path

    @property
    def disk(self) -> Path:
        """The root file system, a sparse raw file without a partition table."""
        return self.directory / "disk.raw"

    @property
    def kernel(self) -> Path:
        return self.directory / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """Absent when the kernel mounts the root file system without it."""
        return self.directory / "initrd.img"


@dataclass(frozen=True)
class InstanceMetadata:
    """What the instance metadata service tells a guest about itself."""

    instance_id: str
    ami_id: str
    instance_type: str
    region: str
    availability_zone: str
    private_ip: str
    public_ip: str
    token_required: bool
    public_keys: Mapping[str, str] = field(default_factory=dict)
    """Key pair name to OpenSSH public key line."""
    user_data: bytes = b""
    account_id: str = "123456789012"
    """The account that owns the instance; the default is the one that moto gives to all."""


@dataclass(frozen=True)
class MachinePlan:
    """Everything that is fixed when a machine is made.

    Attributes:
        source: The snapshot whose disk the machine starts from; it is never written to.
        volume_gib: Size of the root disk; not smaller than the source.
        metadata: Asked at each request of the guest, so that it can change meanwhile.
    """

    instance_id: str
    source: SnapshotFiles
    cores: int
    memory_mib: int
    volume_gib: int
    metadata: Callable[[], InstanceMetadata]


class Ending(Enum):
    """Why a machine that nobody told to stop is not running any more."""

    GUEST_SHUT_DOWN = "the guest shut itself down"
    QEMU_DIED = "the virtual machine's process ended unexpectedly"


class Health(Enum):
    """What DescribeInstanceStatus reports, in its own words."""

    INITIALIZING = "initializing"
    OK = "ok"
    IMPAIRED = "impaired"


class MachineFailure(Exception):
    """A machine could not do what it was told to; the text says why, in one line."""


class Machine(Protocol):
    """One virtual machine with its own disk, which outlives stop and start."""

    @property
    def address(self) -> str:
        """A loopback address of this machine alone, on whose port 22 its guest's sshd answers."""

    @property
    def health(self) -> Health: ...

    def start(self, on_end: Callable[[Ending], None]) -> None:
        """Boot; return when the virtual processors run.

        Args:
            on_end: Called once, if the machine ends without ``stop`` or ``destroy``.

        Raises:
            MachineFailure: QEMU did not start; why, in QEMU's words.
        """

    def stop(self, deadline_seconds: float) -> None:
        """Press the power button; pull the plug after the deadline."""

    def reboot(self, deadline_seconds: float) -> None:
        """Reset as EC2 does: press the power button, boot again; ``on_end`` stays silent."""

    def destroy(self) -> None:
        """End the machine at once and remove its disk. Never fails for being called twice.

        It may be called while another method runs in another thread, to cut that short; that
        method then returns, or raises MachineFailure.
        """

    def console(self) -> bytes:
        """Return the serial console's output since the last start."""

    def save(self, target: SnapshotFiles) -> None:
        """Write this machine's disk as a snapshot, whether it runs or not.

        ``target`` appears complete or not at all.

        Raises:
            MachineFailure: Disk full, no kernel inside, or the copy was cut short.
        """


class Hypervisor(Protocol):
    """Makes machines."""

    def create(self, plan: MachinePlan) -> Machine:
        """Give the machine its directory, disk and address; nothing runs yet.

        Raises:
            MachineFailure: No address or no disk space left.
        """

    def sweep(self) -> None:
        """End and remove what a killed daemon left: processes, sockets, half-written files."""

    def close(self) -> None:
        """Destroy every machine made here."""
