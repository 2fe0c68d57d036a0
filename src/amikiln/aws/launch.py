"""What RunInstances is asked for.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amikiln.aws.permissions import SPOT_REQUEST
from amikiln.aws.requests import block_device, tag_specifications


@dataclass(frozen=True)
class Launch:
    """The instance to launch.

    Attributes:
        public_address: Whether it gets a public address; None: as its subnet has it.
        profile: The name of its instance profile; None: it has no role.
        is_spot: Whether EC2 may end it at any time, for a lower price.
        token: Makes a repeated call return the first call's instance
            (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html).
    """

    image_id: str
    type: str
    subnet_id: str
    security_group_id: str
    key_name: str
    user_data: str
    root_device: str
    volume: Mapping[str, Any]
    tags: Mapping[str, str]
    token: str
    metadata_hop_limit: int
    public_address: bool | None
    profile: str | None
    is_spot: bool


def describe_launch(launch: Launch) -> dict[str, Any]:
    """Return the arguments of RunInstances for one instance.

    IMDSv2 is required, and a shutdown from inside terminates the instance: after its controller
    died, it shuts down by itself and costs nothing any more.
    """
    return {
        "ImageId": launch.image_id,
        "InstanceType": launch.type,
        "MinCount": 1,
        "MaxCount": 1,
        "KeyName": launch.key_name,
        "UserData": launch.user_data,
        "ClientToken": launch.token,
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {
            "HttpTokens": "required",
            "HttpEndpoint": "enabled",
            "HttpPutResponseHopLimit": launch.metadata_hop_limit,
        },
        "BlockDeviceMappings": [block_device(launch.root_device, launch.volume)],
        "TagSpecifications": tag_specifications(_list_tagged_kinds(launch), launch.tags),
        **_describe_place(launch),
        **_describe_terms(launch),
    }


def _list_tagged_kinds(launch: Launch) -> list[str]:
    kinds = ["instance", "network-interface", "volume"]
    return [*kinds, SPOT_REQUEST] if launch.is_spot else kinds


def _describe_place(launch: Launch) -> dict[str, Any]:
    """Return the arguments for subnet, group and address.

    A public address is asked for in a network interface, which then has the subnet and the groups
    (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html).
    """
    if launch.public_address is None:
        return {"SubnetId": launch.subnet_id, "SecurityGroupIds": [launch.security_group_id]}
    card = {
        "DeviceIndex": 0,
        "SubnetId": launch.subnet_id,
        "Groups": [launch.security_group_id],
        "AssociatePublicIpAddress": launch.public_address,
        "DeleteOnTermination": True,
    }
    return {"NetworkInterfaces": [card]}


def _describe_terms(launch: Launch) -> dict[str, Any]:
    """Return the arguments for role and price.

    A one-time Spot request ends with its instance, and leaves nothing to cancel
    (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-requests.html).
    """
    terms: dict[str, Any] = {}
    if launch.profile is not None:
        terms["IamInstanceProfile"] = {"Name": launch.profile}
    if launch.is_spot:
        terms["InstanceMarketOptions"] = {
            "MarketType": "spot",
            "SpotOptions": {
                "SpotInstanceType": "one-time",
                "InstanceInterruptionBehavior": "terminate",
            },
        }
    return terms
