"""The files of one local cloud, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from amikiln.runtime import directories


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
    def ledger(self) -> Path:
        """Images, snapshots and parameters, as JSON."""
        return self.state / "ledger.json"

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
        """Where the guests' registry name leads on the host (containers-registries.conf(5))."""
        return self.state / "registries.conf"
