"""Instances, and the key pairs and security groups that come and go with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from amikiln.aws.errors import error_code

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
"""RunInstances' answers after which another type or zone may still be had.

https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html
"""


@dataclass(frozen=True)
class InstanceRecord:
    """An instance as DescribeInstances shows it."""

    id: str
    state: str
    image_id: str
    address: str | None
    """Where its sshd can be reached from here: the public address, else the private one."""
    reason: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Launch:
    """What a new instance is to be.

    Attributes:
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


class NoCapacity(Exception):
    """EC2 has no room for this type in this zone, or the account's limit is reached."""


class Instances:
    """Launches, watches and ends instances."""

    def __init__(self, client: EC2Client) -> None:
        self._client = client

    def launch(self, launch: Launch) -> str:
        """Start one instance and return its id.

        IMDSv2 is required, and a shutdown from inside terminates: a machine whose controller
        died ends itself and leaves nothing that costs money.

        Raises:
            NoCapacity: Another type or zone may have room.
        """
        try:
            answer = self._client.run_instances(
                ImageId=launch.image_id,
                InstanceType=cast("InstanceTypeType", launch.type),
                MinCount=1,
                MaxCount=1,
                KeyName=launch.key_name,
                SecurityGroupIds=[launch.security_group_id],
                SubnetId=launch.subnet_id,
                UserData=launch.user_data,
                ClientToken=launch.token,
                InstanceInitiatedShutdownBehavior="terminate",
                MetadataOptions={
                    "HttpTokens": "required",
                    "HttpEndpoint": "enabled",
                    "HttpPutResponseHopLimit": launch.metadata_hop_limit,
                },
                BlockDeviceMappings=[block_device(launch.root_device, launch.volume)],
                TagSpecifications=tag_specifications(("instance", "volume"), launch.tags),
            )
        except ClientError as error:
            if error_code(error) in NO_CAPACITY:
                raise NoCapacity(str(error)) from error
            raise
        return answer["Instances"][0]["InstanceId"]

    def get(self, instance_id: str) -> InstanceRecord | None:
        """Return the instance, or None where AWS does not know it (yet, or any more)."""
        try:
            found = self._describe(InstanceIds=[instance_id])
        except ClientError as error:
            if error_code(error) == "InvalidInstanceID.NotFound":
                return None
            raise
        return found[0] if found else None

    def tagged(self, tags: Mapping[str, str]) -> list[InstanceRecord]:
        """Return all instances with these tags that are not gone yet."""
        filters = tag_filters(tags)
        return [found for found in self._describe(Filters=filters) if found.state not in GONE]

    def using_image(self, image_id: str) -> list[InstanceRecord]:
        """Return the instances of this account that run, or could start again from, an image."""
        filters = [{"Name": "image-id", "Values": [image_id]}]
        return [found for found in self._describe(Filters=filters) if found.state not in GONE]

    def tag(self, instance_id: str, tags: Mapping[str, str]) -> None:
        """Add tags to an instance."""
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        self._client.create_tags(Resources=[instance_id], Tags=cast(Any, listed))

    def stop(self, instance_id: str) -> None:
        """Shut the instance's system down; its disk stays."""
        self._client.stop_instances(InstanceIds=[instance_id])

    def terminate(self, instance_id: str) -> None:
        """End the instance and its disk; nothing happens if it is gone already."""
        try:
            self._client.terminate_instances(InstanceIds=[instance_id])
        except ClientError as error:
            if error_code(error) != "InvalidInstanceID.NotFound":
                raise

    def console(self, instance_id: str) -> str:
        """Return what the instance wrote to its console: 64 KB of it at most.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html
        """
        answer = self._client.get_console_output(InstanceId=instance_id)
        return str(answer.get("Output") or "")

    def default_subnets(self) -> list[str]:
        """Return the default subnets of the region, one a zone, in the order of the zones."""
        subnets = self._client.describe_subnets(
            Filters=[{"Name": "default-for-az", "Values": ["true"]}]
        )["Subnets"]
        ordered = sorted(subnets, key=lambda subnet: subnet["AvailabilityZone"])
        return [subnet["SubnetId"] for subnet in ordered]

    def network_of(self, subnet_id: str) -> str | None:
        """Return the id of the VPC that a subnet is in, or None if there is no such subnet."""
        subnets = self._client.describe_subnets(
            Filters=[{"Name": "subnet-id", "Values": [subnet_id]}]
        )["Subnets"]
        return subnets[0]["VpcId"] if subnets else None

    def group_exists(self, group_id: str) -> bool:
        """Tell whether there is a security group with this id."""
        found = self._client.describe_security_groups(
            Filters=[{"Name": "group-id", "Values": [group_id]}]
        )
        return bool(found["SecurityGroups"])

    def types_offered(self, types: Sequence[str]) -> set[str]:
        """Return those of the instance types that the region offers."""
        pages = self._client.get_paginator("describe_instance_type_offerings").paginate(
            LocationType="region", Filters=[{"Name": "instance-type", "Values": list(types)}]
        )
        return {offer["InstanceType"] for page in pages for offer in page["InstanceTypeOfferings"]}

    def architectures(self, types: Sequence[str]) -> dict[str, set[str]]:
        """Return for each of the instance types, all of them offered, what its machines can run."""
        pages = self._client.get_paginator("describe_instance_types").paginate(
            InstanceTypes=cast(Any, list(types))
        )
        return {
            found["InstanceType"]: set(found["ProcessorInfo"]["SupportedArchitectures"])
            for page in pages
            for found in page["InstanceTypes"]
        }

    def import_key_pair(self, name: str, public_key: str, tags: Mapping[str, str]) -> None:
        """Make a key pair from an OpenSSH public key line."""
        self._client.import_key_pair(
            KeyName=name,
            PublicKeyMaterial=public_key.encode(),
            TagSpecifications=tag_specifications(("key-pair",), tags),
        )

    def delete_key_pair(self, name: str) -> None:
        """Remove a key pair; AWS does not mind if there is none."""
        self._client.delete_key_pair(KeyName=name)

    def key_pairs_tagged(self, tags: Mapping[str, str]) -> list[tuple[str, Mapping[str, str]]]:
        """Return name and tags of the key pairs with these tags."""
        filters = tag_filters(tags)
        pairs = self._client.describe_key_pairs(Filters=filters)["KeyPairs"]
        return [(pair["KeyName"], tag_map(pair.get("Tags", []))) for pair in pairs]

    def create_ssh_group(
        self, name: str, subnet_id: str, source_cidr: str, tags: Mapping[str, str]
    ) -> str:
        """Make a security group that lets ssh in from one place, and return its id."""
        group_id = self._client.create_security_group(
            GroupName=name,
            Description="amikiln: ssh to a machine that lives for one run",
            VpcId=self.network_of(subnet_id) or "",
            TagSpecifications=tag_specifications(("security-group",), tags),
        )["GroupId"]
        try:
            self._client.authorize_security_group_ingress(
                GroupId=group_id,
                IpPermissions=[
                    {
                        "IpProtocol": "tcp",
                        "FromPort": 22,
                        "ToPort": 22,
                        "IpRanges": [{"CidrIp": source_cidr}],
                    }
                ],
            )
        except BaseException:
            self.delete_group(group_id)
            raise
        return group_id

    def delete_group(self, group_id: str) -> None:
        """Remove a security group; nothing happens if it is gone already."""
        try:
            self._client.delete_security_group(GroupId=group_id)
        except ClientError as error:
            if error_code(error) != "InvalidGroup.NotFound":
                raise

    def groups_tagged(self, tags: Mapping[str, str]) -> list[tuple[str, Mapping[str, str]]]:
        """Return id and tags of the security groups with these tags."""
        filters = tag_filters(tags)
        pages = self._client.get_paginator("describe_security_groups").paginate(Filters=filters)
        return [
            (group["GroupId"], tag_map(group.get("Tags", [])))
            for page in pages
            for group in page["SecurityGroups"]
        ]

    def _describe(self, **which: Any) -> list[InstanceRecord]:
        pages = self._client.get_paginator("describe_instances").paginate(**which)
        return [
            InstanceRecord(
                id=raw["InstanceId"],
                state=raw["State"]["Name"],
                image_id=raw["ImageId"],
                address=raw.get("PublicIpAddress") or raw.get("PrivateIpAddress") or None,
                reason=raw.get("StateReason", {}).get("Message", ""),
                tags=tag_map(raw.get("Tags", [])),
            )
            for page in pages
            for reservation in page["Reservations"]
            for raw in reservation["Instances"]
        ]


def block_device(device: str, ebs: Mapping[str, Any]) -> Any:
    """Return one block device mapping for a volume that ends with its instance."""
    return {"DeviceName": device, "Ebs": {**ebs, "DeleteOnTermination": True}}


def tag_specifications(kinds: Sequence[str], tags: Mapping[str, str]) -> list[Any]:
    """Return the argument that tags resources in the call that makes them."""
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    return [{"ResourceType": kind, "Tags": listed} for kind in kinds]


def tag_filters(tags: Mapping[str, str]) -> list[Any]:
    """Return the filters that leave only what carries all these tags."""
    return [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]


def tag_map(tags: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return AWS's list of tags as a mapping."""
    return {str(tag["Key"]): str(tag["Value"]) for tag in tags}
