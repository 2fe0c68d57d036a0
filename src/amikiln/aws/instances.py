"""Instances: launched, watched and terminated; and the properties of their types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from amikiln.aws import capacity
from amikiln.aws.errors import error_code
from amikiln.aws.instance_types import TypeRecord, read_type
from amikiln.aws.launch import Launch, describe_launch
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
from amikiln.aws.recent import Recent
from amikiln.aws.requests import (
    MOST_FILTER_VALUES,
    batches,
    tag_filters,
    tag_map,
)

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

GONE = {"terminated", "shutting-down"}
NO_LATEST_CONSOLE = {"UnsupportedOperation", "InvalidParameterCombination", "InvalidParameterValue"}
"""What EC2 answers for a type whose latest console output it cannot show."""


@dataclass(frozen=True)
class InstanceRecord:
    """An instance as DescribeInstances describes it."""

    id: str
    state: str
    image_id: str
    public_address: str | None
    private_address: str | None
    reason: str
    reason_code: str
    """Why it is in its state, as ``Server.InsufficientInstanceCapacity``."""
    devices: tuple[str, ...]
    """The names of its volumes' devices."""
    tags: Mapping[str, str]


class Instances:
    """Launches, watches and terminates instances."""

    def __init__(self, client: EC2Client, recent: Recent) -> None:
        self._client = client
        self._recent = recent

    # With an AMI's id and no launch template, AWS requires no ssm:GetParameters for resolve:ssm:.
    @needs(
        "ec2:RunInstances",
        *new("instance", "network-interface", "volume", SPOT_REQUEST),
        *ours("image", "key-pair"),
        *from_spec(SpecResource.SOURCE_IMAGE, SpecResource.SUBNET, SpecResource.SECURITY_GROUP),
        implies=(*ENCRYPTION, *PASS_ROLE, *SESSION_MANAGER),
    )
    def launch(self, launch: Launch) -> str:
        """Start one instance, whose tag ``Name`` is that of its key pair, and return its id.

        IMDSv2 is required, and a shutdown from inside terminates the instance: after its
        controller died, it shuts down by itself and costs nothing any more.

        A lost answer is asked for again: the token makes it the first call's.

        Raises:
            NoCapacity: There is no room for it; it says where there may be.
        """

        def run() -> str:
            answer = self._client.run_instances(**describe_launch(launch))
            return answer["Instances"][0]["InstanceId"]

        uses = (launch.image_id, launch.key_name, launch.security_group_id, launch.subnet_id)
        try:
            return self._recent.make("instance", launch.key_name, run, *uses)
        except ClientError as error:
            message = str(error.response.get("Error", {}).get("Message", ""))
            if refusal := capacity.find_refusal(error_code(error), message):
                raise refusal from error
            raise

    def get(self, instance_id: str) -> InstanceRecord | None:
        """Return the instance, or None if AWS does not know it any more.

        One that was launched a moment ago and is not known yet is pending.
        """
        try:
            found = self._describe(InstanceIds=[instance_id])
        except ClientError as error:
            if error_code(error) != "InvalidInstanceID.NotFound":
                raise
            found = []
        if not found and self._recent.is_new(instance_id):
            return InstanceRecord(instance_id, "pending", "", None, None, "", "", (), {})
        return found[0] if found else None

    def find_by_tags(self, tags: Mapping[str, str]) -> list[InstanceRecord]:
        """Return the instances with these tags, without terminated ones."""
        filters = tag_filters(tags)
        return [found for found in self._describe(Filters=filters) if found.state not in GONE]

    def find_made(self, name: str) -> list[str]:
        """Return the ids of the instances that have a tag ``Name``, or that we gave it.

        Those that are gone too, for an hour or so.
        """
        return self._recent.find_made(
            "instance",
            name,
            lambda: [found.id for found in self._describe(Filters=tag_filters({"Name": name}))],
        )

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
        self._recent.call(
            lambda: self._client.create_tags(Resources=[instance_id], Tags=cast(Any, listed)),
            instance_id,
        )

    @needs("ec2:StopInstances", *ours("instance"))
    def stop(self, instance_id: str) -> None:
        """Shut the instance down; its disk stays."""
        self._recent.call(
            lambda: self._client.stop_instances(InstanceIds=[instance_id]), instance_id
        )

    @needs("ec2:TerminateInstances", *ours("instance"))
    def terminate(self, instance_id: str) -> None:
        """Terminate the instance and delete its disk; nothing happens if it is gone already."""
        try:
            self._recent.call(
                lambda: self._client.terminate_instances(InstanceIds=[instance_id]), instance_id
            )
        except ClientError as error:
            if error_code(error) != "InvalidInstanceID.NotFound":
                raise

    @needs("ec2:GetConsoleOutput", *ours("instance"))
    def read_console(self, instance_id: str) -> str:
        """Return what the instance wrote to its console until now: at most 64 KB.

        Types that are not built on Nitro keep only what they wrote at their start, or at their end.
        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html
        """
        try:
            now = self._client.get_console_output(InstanceId=instance_id, Latest=True)
            if text := now.get("Output"):
                return text
        except ClientError as error:
            if error_code(error) not in NO_LATEST_CONSOLE:
                raise
        return self._client.get_console_output(InstanceId=instance_id).get("Output") or ""

    @needs("ec2:DescribeInstanceTypeOfferings", NO_RESOURCE_LEVEL)
    def list_offered_types(self, types: Sequence[str]) -> set[str]:
        """Return those of the instance types that the region offers."""
        pages = self._client.get_paginator("describe_instance_type_offerings").paginate(
            LocationType="region", Filters=[{"Name": "instance-type", "Values": list(types)}]
        )
        return {offer["InstanceType"] for page in pages for offer in page["InstanceTypeOfferings"]}

    def list_known_types(self) -> list[str]:
        """Return the instance types that this release of botocore knows, in whatever region."""
        shape: Any = self._client.meta.service_model.shape_for("InstanceType")
        return list(shape.enum)

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
                reason_code=raw.get("StateReason", {}).get("Code", ""),
                devices=tuple(one["DeviceName"] for one in raw.get("BlockDeviceMappings", [])),
                tags=tag_map(raw.get("Tags", [])),
            )
            for page in pages
            for reservation in page["Reservations"]
            for raw in reservation["Instances"]
        ]
