"""Inside a machine's namespaces: a bridge to slirp4netns, a filter, and the machine's two cards.

The machine has a network namespace of its own behind ours. Its root cannot enter ours, and so
cannot change the filter.
"""

from __future__ import annotations

import socket
from pathlib import Path

from amikiln_localcloud.machines.container.commands import run

MTU_BYTES = 65520
"""slirp4netns copies frame by frame: the largest it takes are the fastest."""

CARDS = (("outer0", "eth0", "02:00:00:00:00:10"), ("outer1", "eth1", "02:00:00:00:00:11"))
"""Our end, the machine's, and its address: another one would get another lease of DHCP's."""

METADATA_CARD = "169.254.0.2/16"
"""Our end of the machine's second card."""

FILTER = """
table bridge machine {
    chain forward {
        type filter hook forward priority 0; policy accept;
        iifname "outer0" ether type ip6 drop
        iifname "outer0" ip daddr { 0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, 224.0.0.0/3 } \
            ip daddr != 255.255.255.255 drop
    }
    chain input { type filter hook input priority 0; policy drop; }
}
table ip machine {
    chain input {
        type filter hook input priority 0; policy drop;
        iifname "outer1" ip protocol tcp accept
    }
}
"""
"""slirp4netns connects from the host to whatever address a frame names: without this, also to the
host's own loopback, which its --disable-host-loopback does not prevent."""


def make_bridge() -> None:
    """Join slirp4netns's end, which is there, to a bridge, with the filter on it."""
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "br0", "type", "bridge")
    run("ip", "link", "set", "tap0", "master", "br0", "up", "mtu", str(MTU_BYTES))
    run("ip", "link", "set", "br0", "up", "mtu", str(MTU_BYTES))
    run("nft", "-f", "-", input=FILTER)


def make_cards(namespace: Path, *, anew: bool) -> None:
    """Make the machine's network namespace and its two cards, for one boot.

    Args:
        namespace: The file to bind it to.
        anew: Remove those of the boot before.
    """
    if anew:
        for outer, _, _ in CARDS:
            run("ip", "link", "delete", outer)
        run("umount", str(namespace))
    namespace.touch()
    run("unshare", f"--net={namespace}", "true")
    mtu = str(MTU_BYTES)
    for outer, inner, hardware in CARDS:
        run("ip", "link", "add", outer, "mtu", mtu, "type", "veth", "peer", "name", inner,
            "address", hardware, "mtu", mtu, "netns", str(namespace))  # fmt: skip
    run("ip", "link", "set", "outer0", "master", "br0", "up")
    run("ip", "address", "add", METADATA_CARD, "dev", "outer1")
    run("ip", "link", "set", "outer1", "up")


def listen(addresses: list[str]) -> list[socket.socket]:
    """Return sockets that listen on port 80 of link-local addresses, for the host to serve."""
    sockets = []
    for address in addresses:
        # On our loopback card, which stays as it is when the machine's cards are made anew.
        run("ip", "address", "add", f"{address}/32", "dev", "lo")
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, 80))
        listener.listen(64)
        sockets.append(listener)
    return sockets
