"""The files of one local cloud, and the facts that all of its parts share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from amikiln.runtime import directories

ACCOUNT_ID = "123456789012"
"""The account that moto gives to every access key."""
MACHINES_VARIABLE = "AMIKILN_MACHINES"
"""Environment variable: the kind of machines that is asked for."""
REGION = "us-east-1"
"""The region that clients use unless they ask for another, and that holds the base image."""
LOOPBACK = "127.0.0.1"
"""Where the API and the container registry listen."""
REGISTRY_NAME = "registry.amikiln.internal"
"""The registry's host name for guests. Images and machine images hold it, never an address."""
DEBIAN_SUITE = "trixie"
"""The Debian release that the base image and the registry's images are made from."""


@dataclass(frozen=True)
class Home:
    """One local cloud's directories. Two homes are two clouds that can be up side by side.

    Attributes:
        state: What survives ``cloud down``: images, parameters, the registry's content.
        cache: What can be made again and is shared by all clouds: base images, BuildKit.
    """

    state: Path
    cache: Path

    @classmethod
    def default(cls) -> Home:
        """Return the user's own cloud (``AMIKILN_STATE`` and ``AMIKILN_CACHE`` move it)."""
        return cls(
            state=directories.state_directory() / "cloud", cache=directories.cache_directory()
        )

    @property
    def daemon_record(self) -> Path:
        """The running daemon's process id and port, as JSON."""
        return self.state / "daemon.json"

    @property
    def daemon_log(self) -> Path:
        return self.state / "daemon.log"

    @property
    def state_file(self) -> Path:
        """Images, snapshots and parameters, as JSON."""
        return self.state / "ledger.json"

    @property
    def identity(self) -> Path:
        """The id that tells this cloud from others, and from itself before a reset."""
        return self.state / "identity"

    @property
    def snapshots(self) -> Path:
        """A directory per snapshot: disk.raw, vmlinuz, initrd.img."""
        return self.state / "snapshots"

    @property
    def instances(self) -> Path:
        """A directory per instance: its disk, console and sockets."""
        return self.state / "instances"

    @property
    def registry(self) -> Path:
        """The container registry's blobs, and its log."""
        return self.state / "registry"

    @property
    def registries_conf(self) -> Path:
        """Says where the registry's name leads on the host (containers-registries.conf(5))."""
        return self.state / "registries.conf"
