"""Finds loopback addresses for machines: one for each, on which port 22 is free."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass

from amikiln_localcloud.machines.contract import MachineFailure

SSH_PORT = 22
CLAIM_PORT = 9022
FIRST, LAST = 2, 254


@dataclass(frozen=True)
class Address:
    """An address that belongs to one machine as long as ``claim`` is open."""

    ip: str
    claim: socket.socket

    def release(self) -> None:
        """Make the address free for others."""
        self.claim.close()


def claim_address(network: str = "127.0.1", *, for_root: bool = False) -> Address:
    """Reserve an address of this host on which port 22 is free, and return it.

    A UDP socket reserves it, on a port that every user may take. The kernel closes that socket
    however this process ends: several clouds on one host share the addresses without a lock file.

    Args:
        network: The first three numbers of the addresses to try.
        for_root: Root will listen there, whoever this is.

    Raises:
        MachineFailure: All are taken, or this user may not listen on port 22.
    """
    for number in range(FIRST, LAST + 1):
        ip = f"{network}.{number}"
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind((ip, CLAIM_PORT))
            _check_tcp_port(ip, for_root)
        except OSError as error:
            claim.close()
            if error.errno in {errno.EACCES, errno.EPERM}:
                raise MachineFailure(
                    f"this user may not listen on {ip} port {SSH_PORT}: allow it with "
                    f"`sudo sysctl net.ipv4.ip_unprivileged_port_start={SSH_PORT}`"
                ) from error
            if error.errno != errno.EADDRINUSE:
                raise MachineFailure(f"cannot listen on {ip}: {error.strerror}") from error
        else:
            return Address(ip, claim)
    raise MachineFailure(
        f"port {SSH_PORT} is taken on all addresses {network}.{FIRST} to {network}.{LAST}: if this "
        "host's own sshd listens on all addresses, give it a ListenAddress in sshd_config"
    )


def _check_tcp_port(ip: str, for_root: bool) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if for_root:
            if probe.connect_ex((ip, SSH_PORT)) == 0:
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
            return
        probe.bind((ip, SSH_PORT))
        # Two sockets may be bound to the same address as long as neither listens.
        probe.listen(1)
