"""Instances: launched, watched and terminated; and the properties of their types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from amikiln.aws.errors import error_code
from amikiln.aws.instance_types import TypeRecord, read_type
from amikiln.aws.permissions import (
    ENCRYPTION,
    NO_RESOURCE_LEVEL,
    PASS_ROLE,
    SESSION_MANAGER,
    SPOT_REQUEST,
    SpecResource,
    from_spec,
    needs,
    new,
    ours,
)
from amikiln.aws.requests import (
    MOST_FILTER_VALUES,
    batches,
    block_device,
    tag_filters,
    tag_map,
    tag_specifications,
)

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.literals import InstanceTypeType

GONE = {"terminated", "shutting-down"}
NO_CAPACITY = {
    "InsufficientInstanceCapacity",
    "InsufficientHostCapacity",
    "InsufficientReservedInstanceCapacity",
    "InstanceLimitExceeded",
    "VcpuLimitExceeded",
    "Unsupported",
}
"""RunInstances' error codes after which another type or zone may still have capacity.

https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html
"""


@dataclass(frozen=True)
class InstanceRecord:
    """An instance as DescribeInstances describes it."""

    id: str
    state: str
    image_id: str
    public_address: str | None
    private_address: str | None
    reason: str
    tags: Mapping[str, str]


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


class NoCapacity(Exception):
    """EC2 has no capacity for this type in this zone, or the account's limit is reached."""


class Instances:
    """Launches, watches and terminates instances."""

    def __init__(self, client: EC2Client) -> None:
        self._client = client

    # With an AMI's id and no launch template, AWS requires no ssm:GetParameters for resolve:ssm:.
    @needs(
        "ec2:RunInstances",
        *new("instance", "network-interface", "volume", SPOT_REQUEST),
        *ours("image", "key-pair"),
        *from_spec(SpecResource.SOURCE_IMAGE, SpecResource.SUBNET, SpecResource.SECURITY_GROUP),
        implies=(*ENCRYPTION, *PASS_ROLE, *SESSION_MANAGER),
    )
    def launch(self, launch: Launch) -> str:
        """Start one instance and return its id.

        IMDSv2 is required, and a shutdown from inside terminates the instance: after its
        controller died, it shuts down by itself and costs nothing any more.

        Raises:
            NoCapacity: Another type or zone may have capacity.
        """
        try:
            answer = self._client.run_instances(
                ImageId=launch.image_id,
                InstanceType=cast("InstanceTypeType", launch.type),
                MinCount=1,
                MaxCount=1,
                KeyName=launch.key_name,
                UserData=launch.user_data,
                ClientToken=launch.token,
                InstanceInitiatedShutdownBehavior="terminate",
                MetadataOptions={
                    "HttpTokens": "required",
                    "HttpEndpoint": "enabled",
                    "HttpPutResponseHopLimit": launch.metadata_hop_limit,
                },
                BlockDeviceMappings=[block_device(launch.root_device, launch.volume)],
                TagSpecifications=tag_specifications(_list_tagged_kinds(launch), launch.tags),
                **_describe_place(launch),
                **_describe_terms(launch),
            )
        except ClientError as error:
            if error_code(error) in NO_CAPACITY:
                raise NoCapacity(str(error)) from error
            raise
        return answer["Instances"][0]["InstanceId"]

    def get(self, instance_id: str) -> InstanceRecord | None:
        """Return the instance, or None if AWS does not know it (yet, or any more)."""
        try:
            found = self._describe(InstanceIds=[instance_id])
        except ClientError as error:
            if error_code(error) == "InvalidInstanceID.NotFound":
                return None
            raise
        return found[0] if found else None

    def find_by_tags(self, tags: Mapping[str, str]) -> list[InstanceRecord]:
        """Return the instances with these tags, without terminated ones."""
        filters = tag_filters(tags)
        return [found for found in self._describe(Filters=filters) if found.state not in GONE]

    def find_by_ids(self, instance_ids: Sequence[str]) -> dict[str, InstanceRecord]:
        """Return those of the instances that are not terminated, by id, in one call for all."""
        return {found.id: found for found in self._find_alive("instance-id", instance_ids)}

    def find_images_in_use(self, image_ids: Sequence[str]) -> set[str]:
        """Return those of the images from which an instance of this account was made.

        A stopped instance counts, for it can start again. A terminated one does not.
        """
        return {found.image_id for found in self._find_alive("image-id", image_ids)}

    def _find_alive(self, name: str, values: Sequence[str]) -> Iterator[InstanceRecord]:
        for some in batches(values, MOST_FILTER_VALUES):
            for found in self._describe(Filters=[{"Name": name, "Values": list(some)}]):
                if found.state not in GONE:
                    yield found

    @needs("ec2:CreateTags", *ours("instance"))
    def tag(self, instance_id: str, tags: Mapping[str, str]) -> None:
        """Add tags to an instance."""
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        self._client.create_tags(Resources=[instance_id], Tags=cast(Any, listed))

    @needs("ec2:StopInstances", *ours("instance"))
    def stop(self, instance_id: str) -> None:
        """Shut the instance down; its disk stays."""
        self._client.stop_instances(InstanceIds=[instance_id])

    @needs("ec2:TerminateInstances", *ours("instance"))
    def terminate(self, instance_id: str) -> None:
        """Terminate the instance and delete its disk; nothing happens if it is gone already."""
        try:
            self._client.terminate_instances(InstanceIds=[instance_id])
        except ClientError as error:
            if error_code(error) != "InvalidInstanceID.NotFound":
                raise

    @needs("ec2:GetConsoleOutput", *ours("instance"))
    def read_console(self, instance_id: str) -> str:
        """Return what the instance wrote to its console: at most 64 KB.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html
        """
        answer = self._client.get_console_output(InstanceId=instance_id)
        return str(answer.get("Output") or "")

    @needs("ec2:DescribeInstanceTypeOfferings", NO_RESOURCE_LEVEL)
    def list_offered_types(self, types: Sequence[str]) -> set[str]:
        """Return those of the instance types that the region offers."""
        pages = self._client.get_paginator("describe_instance_type_offerings").paginate(
            LocationType="region", Filters=[{"Name": "instance-type", "Values": list(types)}]
        )
        return {offer["InstanceType"] for page in pages for offer in page["InstanceTypeOfferings"]}

    @needs("ec2:DescribeInstanceTypes", NO_RESOURCE_LEVEL)
    def describe_types(self, types: Sequence[str]) -> dict[str, TypeRecord]:
        """Return what is to be known of each of the instance types, by their names.

        Args:
            types: All of them offered in the region, else AWS refuses the call.
        """
        pages = self._client.get_paginator("describe_instance_types").paginate(
            InstanceTypes=cast(Any, list(types))
        )
        return {
            found["InstanceType"]: read_type(found)
            for page in pages
            for found in page["InstanceTypes"]
        }

    @needs("ec2:DescribeInstances", NO_RESOURCE_LEVEL)
    def _describe(self, **which: Any) -> list[InstanceRecord]:
        pages = self._client.get_paginator("describe_instances").paginate(**which)
        return [
            InstanceRecord(
                id=raw["InstanceId"],
                state=raw["State"]["Name"],
                image_id=raw["ImageId"],
                public_address=raw.get("PublicIpAddress") or None,
                private_address=raw.get("PrivateIpAddress") or None,
                reason=raw.get("StateReason", {}).get("Message", ""),
                tags=tag_map(raw.get("Tags", [])),
            )
            for page in pages
            for reservation in page["Reservations"]
            for raw in reservation["Instances"]
        ]


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
