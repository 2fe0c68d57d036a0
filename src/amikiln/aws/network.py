"""Subnets, key pairs and security groups: what it takes to reach an instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from amikiln.aws.errors import error_code
from amikiln.aws.permissions import NO_RESOURCE_LEVEL, everything, needs, new, ours
from amikiln.aws.recent import NotListedYet, Recent
from amikiln.aws.requests import tag_filters, tag_map, tag_specifications

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


@dataclass(frozen=True)
class Subnet:
    """A subnet, and what it gives to the machines in it.

    Attributes:
        gives_public_address: Whether machines get a public address unless they say otherwise.
        free_addresses: How many private addresses are left.
    """

    id: str
    vpc_id: str
    cidr: str
    gives_public_address: bool
    free_addresses: int


@dataclass(frozen=True)
class SecurityGroup:
    """A security group, and whom it lets in over ssh.

    Attributes:
        ssh_from: The IPv4 networks that may connect to port 22.
        has_other_sources: Whether other groups, prefix lists or IPv6 networks may connect, too.
    """

    id: str
    vpc_id: str
    ssh_from: tuple[str, ...]
    has_other_sources: bool


class Network:
    """Finds subnets; creates, finds and deletes key pairs and security groups."""

    def __init__(self, client: EC2Client, recent: Recent) -> None:
        self._client = client
        self._recent = recent

    @needs("ec2:DescribeSubnets", NO_RESOURCE_LEVEL)
    def find_subnets(self, subnet_ids: Sequence[str] = ()) -> list[Subnet]:
        """Return subnets in the order of their zones; those that do not exist are left out.

        Args:
            subnet_ids: Which; none: the default ones of the region, of which each zone has one.
        """
        name, values = ("subnet-id", subnet_ids) if subnet_ids else ("default-for-az", ["true"])
        found = self._client.describe_subnets(Filters=[{"Name": name, "Values": list(values)}])
        ordered = sorted(found["Subnets"], key=lambda subnet: subnet["AvailabilityZone"])
        return [
            Subnet(
                subnet["SubnetId"],
                subnet["VpcId"],
                subnet["CidrBlock"],
                subnet["MapPublicIpOnLaunch"],
                subnet["AvailableIpAddressCount"],
            )
            for subnet in ordered
        ]

    @needs("ec2:DescribeRouteTables", NO_RESOURCE_LEVEL)
    def find_default_routes(self, vpc_id: str, subnet_ids: Sequence[str]) -> dict[str, str]:
        """Return where each subnet sends traffic for the internet, as ``igw-...`` or ``nat-...``.

        A subnet without such a route is left out. Subnets that are in no route table use the
        VPC's main one (https://docs.aws.amazon.com/vpc/latest/userguide/VPC_Route_Tables.html).
        """
        pages = self._client.get_paginator("describe_route_tables").paginate(
            Filters=[{"Name": "vpc-id", "Values": [vpc_id]}]
        )
        targets: dict[str | None, str | None] = {}
        for table in (table for page in pages for table in page["RouteTables"]):
            for association in table["Associations"]:
                # The main table's association names no subnet.
                targets[association.get("SubnetId")] = _find_default_route(table["Routes"])
        found = {subnet: targets.get(subnet, targets.get(None)) for subnet in subnet_ids}
        return {subnet: target for subnet, target in found.items() if target is not None}

    @needs("ec2:DescribeSecurityGroups", NO_RESOURCE_LEVEL)
    def find_security_group(self, group_id: str) -> SecurityGroup | None:
        """Return the security group with this id, or None if there is none."""
        found = self._client.describe_security_groups(
            Filters=[{"Name": "group-id", "Values": [group_id]}]
        )["SecurityGroups"]
        if not found:
            return None
        rules = [rule for rule in found[0]["IpPermissions"] if _is_about_ssh(rule)]
        others = ("UserIdGroupPairs", "PrefixListIds", "Ipv6Ranges")
        return SecurityGroup(
            group_id,
            found[0]["VpcId"],
            tuple(source["CidrIp"] for rule in rules for source in rule.get("IpRanges", [])),
            any(rule.get(other) for rule in rules for other in others),
        )

    @needs("ec2:ImportKeyPair", *new("key-pair"))
    def import_key_pair(self, name: str, public_key: str, tags: Mapping[str, str]) -> None:
        """Create a key pair from an OpenSSH public key line; its name is that of its tag."""

        def make() -> str:
            try:
                self._client.import_key_pair(
                    KeyName=name,
                    PublicKeyMaterial=public_key.encode(),
                    TagSpecifications=tag_specifications(("key-pair",), tags),
                )
            except ClientError as error:
                # No other run has this name: an earlier try made it, and its answer was lost.
                if error_code(error) != "InvalidKeyPair.Duplicate":
                    raise
            return name

        self._recent.make("key pair", name, make)

    @needs("ec2:DeleteKeyPair", *ours("key-pair"))
    def delete_key_pair(self, name: str) -> None:
        """Delete a key pair, which has to exist.

        AWS accepts the call if there is none, but a policy that requires a tag refuses it: what
        does not exist has no tag.
        """
        self._recent.call(lambda: self._client.delete_key_pair(KeyName=name), name)
        self._recent.forget(name)

    def find_key_pairs_made(self, name: str) -> list[str]:
        """Return the names of the key pairs that have a tag ``Name``, or that we gave it."""
        return self._recent.find_made(
            "key pair", name, lambda: [found for found, _ in self.find_key_pairs({"Name": name})]
        )

    @needs("ec2:DescribeKeyPairs", NO_RESOURCE_LEVEL)
    def find_key_pairs(self, tags: Mapping[str, str]) -> list[tuple[str, Mapping[str, str]]]:
        """Return the names and tags of the key pairs with these tags."""
        filters = tag_filters(tags)
        pairs = self._client.describe_key_pairs(Filters=filters)["KeyPairs"]
        return [(pair["KeyName"], tag_map(pair.get("Tags", []))) for pair in pairs]

    @needs("ec2:CreateSecurityGroup", *new("security-group"), *everything("vpc"))
    @needs("ec2:AuthorizeSecurityGroupIngress", *ours("security-group"))
    def create_security_group(
        self, name: str, vpc_id: str, source_cidr: str | None, tags: Mapping[str, str]
    ) -> str:
        """Create a security group that lets in ssh from one network, and return its id.

        Args:
            name: Its name, which is unique in the VPC, and that of its tag.
            vpc_id: Where to make it.
            source_cidr: The IPv4 network; None: nobody is let in.
            tags: It gets them in the same call.
        """

        def make() -> str:
            try:
                return self._client.create_security_group(
                    GroupName=name,
                    Description="amikiln: ssh to a machine that lives for one run",
                    VpcId=vpc_id,
                    TagSpecifications=tag_specifications(("security-group",), tags),
                )["GroupId"]
            except ClientError as error:
                if error_code(error) != "InvalidGroup.Duplicate":
                    raise
                # An earlier try made it, and its answer was lost.
                for found, _ in self.find_security_groups(tags):
                    return found
                raise NotListedYet(error) from error

        def allow() -> None:
            try:
                self._client.authorize_security_group_ingress(
                    GroupId=group_id,
                    IpPermissions=[
                        {
                            "IpProtocol": "tcp",
                            "FromPort": 22,
                            "ToPort": 22,
                            "IpRanges": [{"CidrIp": source_cidr or ""}],
                        }
                    ],
                )
            except ClientError as error:
                if error_code(error) != "InvalidPermission.Duplicate":
                    raise

        group_id = self._recent.make("security group", name, make)
        if source_cidr is not None:
            self._recent.call(allow, group_id)
        return group_id

    @needs("ec2:DeleteSecurityGroup", *ours("security-group"))
    def delete_security_group(self, group_id: str) -> None:
        """Delete a security group; nothing happens if it is gone already.

        The network interface of an instance that ended may use it for minutes: that is waited for.
        """
        try:
            self._recent.call_until_unused(
                lambda: self._client.delete_security_group(GroupId=group_id), group_id
            )
        except ClientError as error:
            if error_code(error) not in {"InvalidGroup.NotFound", "InvalidGroupId.NotFound"}:
                raise
        self._recent.forget(group_id)

    def find_security_groups_made(self, name: str) -> list[str]:
        """Return the ids of the security groups that have a tag ``Name``, or that we gave it."""
        return self._recent.find_made(
            "security group",
            name,
            lambda: [found for found, _ in self.find_security_groups({"Name": name})],
        )

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


def _find_default_route(routes: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the target of a table's route for the internet; None if there is none that works."""
    targets = ("GatewayId", "NatGatewayId", "TransitGatewayId", "InstanceId", "NetworkInterfaceId")
    for route in routes:
        if route.get("DestinationCidrBlock") == "0.0.0.0/0" and route.get("State") == "active":
            return next((str(route[key]) for key in targets if route.get(key)), "another gateway")
    return None


def _is_about_ssh(rule: Mapping[str, Any]) -> bool:
    """Tell whether a rule is about port 22; a rule for all protocols (-1) names no ports."""
    if rule["IpProtocol"] == "-1":
        return True
    return rule["IpProtocol"] in {"tcp", "6"} and rule["FromPort"] <= 22 <= rule["ToPort"]
