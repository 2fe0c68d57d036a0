"""What a machine of any kind is given from outside: names, addresses, and its own values."""

from __future__ import annotations

from dataclasses import dataclass

from amikiln_localcloud.home import REGISTRY_NAME
from amikiln_localcloud.machines.contract import InstanceMetadata

IMDS_ADDRESS = "169.254.169.254"
REGISTRY_ADDRESS = "169.254.169.200"
METADATA_CARD_NETWORK = "169.254.0.0/16"
METADATA_CARD_ADDRESS = "169.254.0.15/16"
"""The guest's own address on the card on which the metadata service and the registry answer."""


@dataclass(frozen=True)
class RegistryAddress:
    """The address on which the container registry listens on the host."""

    host: str
    port: int


def guest_values(metadata: InstanceMetadata) -> dict[str, bytes]:
    """Return what the machine's own units need, as credentials of its systemd.

    They reach systemd before its first unit starts (systemd.system-credentials(7)).
    """
    keys = "".join(f"{key.strip()}\n" for key in metadata.public_keys.values())
    values = {
        "system.hostname": metadata.host_name.encode(),
        "instance.id": metadata.instance_id.encode(),
        "instance.hosts": f"{REGISTRY_ADDRESS} {REGISTRY_NAME}\n".encode(),
        "instance.authorized-keys": keys.encode(),
        "instance.user-data": metadata.user_data,
    }
    return {name: value for name, value in values.items() if value}
