"""AMIs and their snapshots."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from amikiln.aws.errors import error_code
from amikiln.aws.permissions import ENCRYPTION, NO_RESOURCE_LEVEL, needs, new, ours
from amikiln.aws.recent import NotListedYet, Recent
from amikiln.aws.requests import tag_filters, tag_map, tag_specifications

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


@dataclass(frozen=True)
class ImageRecord:
    """An AMI as DescribeImages describes it."""

    id: str
    name: str
    state: str
    reason: str
    created: str
    """ISO 8601, in UTC: can be sorted as text."""
    root_device: str
    architecture: str
    volume_gib: int
    """The root volume's size; an instance's volume may be larger, not smaller."""
    devices: tuple[str, ...]
    """The names of the devices that it has volumes for, instance store volumes included."""
    snapshot_ids: tuple[str, ...]
    tags: Mapping[str, str]
    deprecated_from: str | None


class Images:
    """Finds, creates and removes images."""

    def __init__(self, client: EC2Client, recent: Recent) -> None:
        self._client = client
        self._recent = recent

    def find_newest(self, *, name: str, owner: str, architecture: str) -> ImageRecord | None:
        """Return an owner's newest available image whose name matches the pattern."""
        found = self._describe(
            Owners=[owner],
            Filters=[
                {"Name": "name", "Values": [name]},
                {"Name": "architecture", "Values": [architecture]},
                {"Name": "state", "Values": ["available"]},
            ],
        )
        return max(found, key=lambda image: image.created, default=None)

    def get(self, image_id: str) -> ImageRecord | None:
        """Return the image, or None if there is none with this id."""
        try:
            found = self._describe(ImageIds=[image_id])
        except ClientError as error:
            if error_code(error) in {"InvalidAMIID.NotFound", "InvalidAMIID.Unavailable"}:
                return None
            raise
        return found[0] if found else None

    def find_by_name(self, name: str) -> ImageRecord | None:
        """Return this account's image of a name, whatever its state; names are unique."""
        found = self._describe(
            Owners=["self"],
            Filters=[{"Name": "name", "Values": [_literal(name)]}],
            IncludeDeprecated=True,
        )
        return next((image for image in found if image.name == name), None)

    def find_made(self, name: str) -> list[str]:
        """Return the ids of this account's images of a name, and of those that we gave it."""

        def look() -> list[str]:
            found = self.find_by_name(name)
            return [found.id] if found else []

        return self._recent.find_made("image", name, look)

    def find_by_tags(self, tags: Mapping[str, str]) -> list[ImageRecord]:
        """Return this account's images with these tags, newest first, deprecated ones too."""
        filters = tag_filters(tags)
        found = self._describe(Owners=["self"], Filters=filters, IncludeDeprecated=True)
        return sorted(found, key=lambda image: image.created, reverse=True)

    # Without ec2:CreateSnapshot: for AWS the snapshots are a part of CreateImage.
    @needs("ec2:CreateImage", *new("image", "snapshot"), *ours("instance"), implies=ENCRYPTION)
    def create(
        self,
        *,
        instance_id: str,
        name: str,
        root_device: str,
        other_devices: Iterable[str],
        tags: Mapping[str, str],
    ) -> str:
        """Start to create an image of an instance's root volume, and return its id.

        The image and its snapshots get the tags in the same call. There is no token for a call
        whose answer is lost: its image is known by its name, which is unique.

        Nothing else of an existing volume can be changed than whether it is deleted with its
        instance: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html

        Args:
            instance_id: The instance; stopped, else EC2 shuts it down meanwhile.
            name: The image's name, and that of its tag.
            root_device: Where its root volume is attached.
            other_devices: Its other volumes' devices, which the image does not get.
            tags: For the image and its snapshots.
        """

        mappings: list[Any] = [
            {"DeviceName": root_device, "Ebs": {"DeleteOnTermination": True}},
            *({"DeviceName": device, "NoDevice": ""} for device in other_devices),
        ]

        def make() -> str:
            try:
                return self._client.create_image(
                    InstanceId=instance_id,
                    Name=name,
                    BlockDeviceMappings=mappings,
                    TagSpecifications=tag_specifications(("image", "snapshot"), tags),
                )["ImageId"]
            except ClientError as error:
                if error_code(error) != "InvalidAMIName.Duplicate":
                    raise
                # An earlier try made it, and its answer was lost.
                for found in self.find_by_tags(tags):
                    if found.name == name:
                        return found.id
                raise NotListedYet(error) from error

        return self._recent.make("image", name, make, instance_id)

    @needs("ec2:CreateTags", *ours("image"))
    def tag(self, image_id: str, tags: Mapping[str, str]) -> None:
        """Add tags to an image."""
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        self._recent.call(
            lambda: self._client.create_tags(Resources=[image_id], Tags=cast(Any, listed)),
            image_id,
        )

    @needs("ec2:EnableImageDeprecation", *ours("image"))
    def deprecate(self, image_id: str, at: datetime) -> None:
        """Deprecate the image from a time on: others do not see it in lists, but can launch it.

        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ami-deprecate.html
        """
        self._recent.call(
            lambda: self._client.enable_image_deprecation(ImageId=image_id, DeprecateAt=at),
            image_id,
        )

    @needs("ec2:DeregisterImage", *ours("image"))
    def remove(self, image: ImageRecord) -> None:
        """Deregister an image and delete its snapshots; what is gone already is skipped."""
        try:
            self._recent.call(lambda: self._client.deregister_image(ImageId=image.id), image.id)
        except ClientError as error:
            if error_code(error) not in {"InvalidAMIID.NotFound", "InvalidAMIID.Unavailable"}:
                raise
        for snapshot_id in image.snapshot_ids:
            self.delete_snapshot(snapshot_id)

    @needs("ec2:DescribeSnapshots", NO_RESOURCE_LEVEL)
    def find_snapshots(self, tags: Mapping[str, str]) -> list[tuple[str, Mapping[str, str]]]:
        """Return the ids and tags of this account's snapshots with these tags."""
        filters = tag_filters(tags)
        pages = self._client.get_paginator("describe_snapshots").paginate(
            OwnerIds=["self"],
            Filters=filters,
        )
        return [
            (snapshot["SnapshotId"], tag_map(snapshot.get("Tags", [])))
            for page in pages
            for snapshot in page["Snapshots"]
        ]

    @needs("ec2:DeleteSnapshot", *ours("snapshot"))
    def delete_snapshot(self, snapshot_id: str) -> None:
        """Delete a snapshot; nothing happens if it is gone already.

        An image that was deregistered may use it for a while: that is waited for.
        """
        try:
            self._recent.call_until_unused(
                lambda: self._client.delete_snapshot(SnapshotId=snapshot_id), snapshot_id
            )
        except ClientError as error:
            if error_code(error) != "InvalidSnapshot.NotFound":
                raise

    @needs("ec2:DescribeImages", NO_RESOURCE_LEVEL)
    def _describe(self, **which: Any) -> list[ImageRecord]:
        pages = self._client.get_paginator("describe_images").paginate(**which)
        return [
            ImageRecord(
                id=raw["ImageId"],
                name=raw.get("Name", ""),
                state=raw["State"],
                reason=raw.get("StateReason", {}).get("Message", ""),
                created=raw.get("CreationDate", ""),
                root_device=raw.get("RootDeviceName", ""),
                architecture=raw.get("Architecture", ""),
                volume_gib=max(
                    (
                        mapping.get("Ebs", {}).get("VolumeSize", 0)
                        for mapping in raw.get("BlockDeviceMappings", [])
                        if mapping.get("DeviceName") == raw.get("RootDeviceName")
                    ),
                    default=0,
                ),
                devices=tuple(
                    mapping["DeviceName"] for mapping in raw.get("BlockDeviceMappings", [])
                ),
                snapshot_ids=tuple(
                    mapping["Ebs"]["SnapshotId"]
                    for mapping in raw.get("BlockDeviceMappings", [])
                    if "SnapshotId" in mapping.get("Ebs", {})
                ),
                tags=tag_map(raw.get("Tags", [])),
                deprecated_from=raw.get("DeprecationTime"),
            )
            for page in pages
            for raw in page["Images"]
        ]


def _literal(text: str) -> str:
    """Return a filter value that matches a text alone: ``*``, ``?`` and ``\\`` are escaped.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html
    """
    return re.sub(r"([*?\\])", r"\\\1", text)
