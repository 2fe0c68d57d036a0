"""Auto Scaling groups, and the launch templates of their instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amikiln.aws.permissions import NO_RESOURCE_LEVEL, needs
from amikiln.aws.requests import batches

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_ec2 import EC2Client

MOST_NAMES = 50
"""How many names AWS accepts in one DescribeAutoScalingGroups.

https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingGroups.html
"""


LaunchTemplate = tuple[str, str]
"""A launch template's id, and its version: a number, ``$Default`` or ``$Latest``."""


@dataclass(frozen=True)
class GroupRecord:
    """An Auto Scaling group.

    Attributes:
        desired: How many instances it should have.
        launch_image: The image in its launch template: an id, or ``resolve:ssm:...``; empty
            without one.
        instance_ids: Its instances, whatever their state.
    """

    name: str
    desired: int
    launch_image: str
    instance_ids: tuple[str, ...]


class AutoScaling:
    """Reads Auto Scaling groups."""

    def __init__(self, autoscaling: AutoScalingClient, ec2: EC2Client) -> None:
        self._autoscaling = autoscaling
        self._ec2 = ec2

    @needs("autoscaling:DescribeAutoScalingGroups", NO_RESOURCE_LEVEL)
    def find_groups(self, names: Sequence[str]) -> list[GroupRecord]:
        """Return those of the groups that exist; each launch template is read once."""
        paginator = self._autoscaling.get_paginator("describe_auto_scaling_groups")
        found: list[Mapping[str, Any]] = [
            raw
            for some in batches(names, MOST_NAMES)
            for page in paginator.paginate(AutoScalingGroupNames=some)
            for raw in page["AutoScalingGroups"]
        ]
        templates = {_launch_template(raw) for raw in found}
        images = {template: self._launch_image(template) for template in templates}
        return [
            GroupRecord(
                name=raw["AutoScalingGroupName"],
                desired=raw["DesiredCapacity"],
                launch_image=images[_launch_template(raw)],
                instance_ids=tuple(instance["InstanceId"] for instance in raw["Instances"]),
            )
            for raw in found
        ]

    # resolve:ssm: is returned as it is, not resolved: that would need ssm:GetParameters.
    @needs("ec2:DescribeLaunchTemplateVersions", NO_RESOURCE_LEVEL)
    def _launch_image(self, template: LaunchTemplate | None) -> str:
        if template is None:
            return ""
        template_id, version = template
        versions = self._ec2.describe_launch_template_versions(
            LaunchTemplateId=template_id, Versions=[version]
        )["LaunchTemplateVersions"]
        return versions[0]["LaunchTemplateData"].get("ImageId", "") if versions else ""


def _launch_template(group: Mapping[str, Any]) -> LaunchTemplate | None:
    policy = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    template = group.get("LaunchTemplate") or policy.get("LaunchTemplateSpecification")
    if not template:
        return None
    return template["LaunchTemplateId"], template.get("Version") or "$Default"
