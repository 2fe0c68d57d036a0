"""What the API side needs from a virtual machine, and what a machine needs to boot.

``qemu.py`` has the real machines; tests of the API side use fakes.
Methods of a machine may block for seconds: never call one while holding the API's lock.
``address``, ``health`` and ``console`` answer at once, and take no lock that a callback is
called under. Callbacks come from the machine's own threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol, TypeAlias

from amikiln_localcloud.home import ACCOUNT_ID


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
    """What the instance metadata service says about an instance."""

    instance_id: str
    ami_id: str
    instance_type: str
    region: str
    availability_zone: str
    private_ip: str
    public_ip: str
    token_required: bool
    public_keys: Mapping[str, str] = field(default_factory=dict)
    """Maps a key pair's name to its OpenSSH public key line."""
    user_data: bytes = b""
    account_id: str = ACCOUNT_ID

    @property
    def host_name(self) -> str:
        """The name that EC2 gives by default.

        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/hostname-types.html
        """
        return "ip-" + self.private_ip.replace(".", "-")


@dataclass(frozen=True)
class MachinePlan:
    """Everything about a machine that does not change after it is made.

    Attributes:
        source: The snapshot whose disk the machine starts from; it is never written to.
        volume_gib: Size of the root disk; not smaller than the source.
        metadata: Called for each request of the guest, because the metadata can change.
        boots_kernel: Whether it has to boot the disk's own kernel, which a container does not.
    """

    instance_id: str
    source: SnapshotFiles
    cores: int
    memory_mib: int
    volume_gib: int
    metadata: Callable[[], InstanceMetadata]
    boots_kernel: bool = False


class Ending(Enum):
    """Why a machine that was not told to stop does not run any more."""

    GUEST_SHUT_DOWN = "the guest shut itself down"
    PROCESS_DIED = "the machine's process ended unexpectedly"


OnEnd: TypeAlias = Callable[[Ending, str], None]
"""Is told that a machine ended which nobody told to, and why in one line."""


class Health(Enum):
    """What DescribeInstanceStatus reports, in its own words."""

    INITIALIZING = "initializing"
    OK = "ok"
    IMPAIRED = "impaired"


class MachineFailure(Exception):
    """A machine could not do what it was told; the message says why, in one line."""


class Machine(Protocol):
    """One virtual machine with its own disk, which outlives stop and start."""

    @property
    def address(self) -> str:
        """A loopback address for this machine alone; the guest's sshd answers on its port 22."""

    @property
    def health(self) -> Health: ...

    def start(self, on_end: OnEnd) -> None:
        """Boot; return when the system begins to.

        Args:
            on_end: Called once, if the machine ends without ``stop`` or ``destroy``.

        Raises:
            MachineFailure: It did not start; why, in its own words.
        """

    def stop(self, deadline_seconds: float) -> None:
        """Press the power button; cut the power after the deadline."""

    def reboot(self, deadline_seconds: float) -> None:
        """Reset as EC2 does: press the power button, boot again; ``on_end`` stays silent."""

    def destroy(self) -> None:
        """End the machine at once and remove its disk; calling it twice is no error.

        It may be called while another thread is in another method, which then returns early or
        raises MachineFailure.
        """

    def console(self) -> bytes:
        """Return the serial console's output since the last start."""

    def save(self, target: SnapshotFiles) -> None:
        """Save this machine's disk as a snapshot, whether the machine runs or not.

        ``target`` appears complete or not at all.

        Raises:
            MachineFailure: The disk is full, has no kernel inside, or was not copied completely.
        """


class Hypervisor(Protocol):
    """Makes machines."""

    def create(self, plan: MachinePlan) -> Machine:
        """Create the machine's directory and disk and find it an address, without starting it.

        Raises:
            MachineFailure: No address or no disk space left.
        """

    def sweep(self) -> None:
        """End and remove what a killed daemon left: processes, sockets, unfinished files."""

    def close(self) -> None:
        """Destroy every machine made here."""
