"""Subnets, key pairs and security groups: what it takes to reach an instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from amikiln.aws.errors import error_code
from amikiln.aws.permissions import NO_RESOURCE_LEVEL, everything, needs, new, ours
from amikiln.aws.requests import tag_filters, tag_map, tag_specifications

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


@dataclass(frozen=True)
class Subnet:
    """A subnet, and the VPC that it is in."""

    id: str
    vpc_id: str


class Network:
    """Finds subnets; creates, finds and deletes key pairs and security groups."""

    def __init__(self, client: EC2Client) -> None:
        self._client = client

    @needs("ec2:DescribeSubnets", NO_RESOURCE_LEVEL)
    def find_subnets(self, subnet_id: str | None) -> list[Subnet]:
        """Return one subnet, or the default subnets of the region, in the order of their zones.

        Args:
            subnet_id: The subnet; none is returned if there is no such subnet. None: the default
                ones, of which each zone has one.
        """
        name, value = ("subnet-id", subnet_id) if subnet_id else ("default-for-az", "true")
        found = self._client.describe_subnets(Filters=[{"Name": name, "Values": [value]}])
        ordered = sorted(found["Subnets"], key=lambda subnet: subnet["AvailabilityZone"])
        return [Subnet(subnet["SubnetId"], subnet["VpcId"]) for subnet in ordered]

    @needs("ec2:DescribeSecurityGroups", NO_RESOURCE_LEVEL)
    def has_security_group(self, group_id: str) -> bool:
        """Return whether there is a security group with this id."""
        found = self._client.describe_security_groups(
            Filters=[{"Name": "group-id", "Values": [group_id]}]
        )
        return bool(found["SecurityGroups"])

    @needs("ec2:ImportKeyPair", *new("key-pair"))
    def import_key_pair(self, name: str, public_key: str, tags: Mapping[str, str]) -> None:
        """Create a key pair from an OpenSSH public key line."""
        self._client.import_key_pair(
            KeyName=name,
            PublicKeyMaterial=public_key.encode(),
            TagSpecifications=tag_specifications(("key-pair",), tags),
        )

    @needs("ec2:DeleteKeyPair", *ours("key-pair"))
    def delete_key_pair(self, name: str) -> None:
        """Delete a key pair, which has to exist.

        AWS accepts the call if there is none, but a policy that requires a tag refuses it: what
        does not exist has no tag.
        """
        self._client.delete_key_pair(KeyName=name)

    @needs("ec2:DescribeKeyPairs", NO_RESOURCE_LEVEL)
    def find_key_pairs(self, tags: Mapping[str, str]) -> list[tuple[str, Mapping[str, str]]]:
        """Return the names and tags of the key pairs with these tags."""
        filters = tag_filters(tags)
        pairs = self._client.describe_key_pairs(Filters=filters)["KeyPairs"]
        return [(pair["KeyName"], tag_map(pair.get("Tags", []))) for pair in pairs]

    @needs("ec2:CreateSecurityGroup", *new("security-group"), *everything("vpc"))
    @needs("ec2:AuthorizeSecurityGroupIngress", *ours("security-group"))
    def create_security_group(
        self, name: str, vpc_id: str, source_cidr: str, tags: Mapping[str, str]
    ) -> str:
        """Create a security group that allows ssh from one network, and return its id."""
        group_id = self._client.create_security_group(
            GroupName=name,
            Description="amikiln: ssh to a machine that lives for one run",
            VpcId=vpc_id,
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
            self.delete_security_group(group_id)
            raise
        return group_id

    @needs("ec2:DeleteSecurityGroup", *ours("security-group"))
    def delete_security_group(self, group_id: str) -> None:
        """Delete a security group; nothing happens if it is gone already."""
        try:
            self._client.delete_security_group(GroupId=group_id)
        except ClientError as error:
            if error_code(error) != "InvalidGroup.NotFound":
                raise

    @needs("ec2:DescribeSecurityGroups", NO_RESOURCE_LEVEL)
    def find_security_groups(self, tags: Mapping[str, str]) -> list[tuple[str, Mapping[str, str]]]:
        """Return the ids and tags of the security groups with these tags."""
        filters = tag_filters(tags)
        pages = self._client.get_paginator("describe_security_groups").paginate(Filters=filters)
        return [
            (group["GroupId"], tag_map(group.get("Tags", [])))
            for page in pages
            for group in page["SecurityGroups"]
        ]
