"""What a machine runs at its first boot."""

from __future__ import annotations

import base64

from amikiln.machine.keys import Keys

END_UNIT = "amikiln-end"
"""The timer in a machine that ends it when its run should long be over."""


def render_user_data(keys: Keys, machine_minutes: int) -> str:
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
