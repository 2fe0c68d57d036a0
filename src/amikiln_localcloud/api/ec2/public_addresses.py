"""Public addresses: which instances get one.

https://docs.aws.amazon.com/vpc/latest/userguide/vpc-ip-addressing.html
"""

from __future__ import annotations

from typing import Any


def gets_public_ip(cards: list[dict[str, Any]], subnet: Any) -> bool:
    """Tell whether an instance gets a public address.

    Args:
        cards: The network interfaces of its request: the first may say yes or no.
        subnet: moto's subnet, which decides where the request does not.
    """
    for card in cards:
        wanted = card.get("AssociatePublicIpAddress")
        if int(card.get("DeviceIndex", 0)) == 0 and wanted is not None:
            return str(wanted).lower() == "true"
    return bool(subnet.map_public_ip_on_launch)
