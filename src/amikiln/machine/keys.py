"""ssh keys for one machine: to log in, and to be sure which machine we log in to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from amikiln.runtime import process


@dataclass(frozen=True)
class Keys:
    """An ssh key pair for us and one for the machine, in a directory that only we can read."""

    directory: Path

    @property
    def ours(self) -> Path:
        return self.directory / "id_ed25519"

    @property
    def host(self) -> Path:
        return self.directory / "host_ed25519"

    def public(self, key: Path) -> str:
        """Return the public half's line, "ssh-ed25519 AAAA..." without a comment."""
        return " ".join(key.with_suffix(".pub").read_text().split()[:2])


def make_keys(directory: Path) -> Keys:
    """Make both pairs in an existing directory of mode 0700."""
    keys = Keys(directory)
    for key in (keys.ours, keys.host):
        process.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "amikiln", "-f", key])
    return keys
