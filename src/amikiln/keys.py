"""Keys that live for one machine: to log in, and to be sure whom one logs in to."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from amikiln import proc

END_UNIT = "amikiln-end"
"""The timer in a machine that ends it when its run should long be over."""


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


def make(directory: Path) -> Keys:
    """Make both pairs in an existing directory of mode 0700."""
    keys = Keys(directory)
    for key in (keys.ours, keys.host):
        proc.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "amikiln", "-f", key])
    return keys


def user_data(keys: Keys, machine_minutes: int) -> str:
    """Return the script that the machine runs at its first boot.

    It installs the host key that we expect, so that nobody in between can pose as the machine,
    and sets a timer that ends the machine: one whose controller died costs nothing for long.

    Args:
        keys: The run's keys.
        machine_minutes: When the machine shuts itself down, which terminates it.
    """
    private = base64.b64encode(keys.host.read_bytes()).decode()
    return f"""#!/bin/sh
set -eu
umask 077
systemd-run --quiet --unit={END_UNIT} --on-active={machine_minutes}m systemctl poweroff
rm -f /etc/ssh/ssh_host_*
echo {private} | base64 -d >/etc/ssh/ssh_host_ed25519_key
ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key >/etc/ssh/ssh_host_ed25519_key.pub
chmod 644 /etc/ssh/ssh_host_ed25519_key.pub
unit=sshd.service # Debian and Ubuntu call it ssh; naming one that is not there would fail
if systemctl cat ssh.service >/dev/null 2>&1; then unit=ssh.service; fi
systemctl try-restart "$unit"
"""
