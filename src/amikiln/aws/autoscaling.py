"""Auto Scaling groups, and the launch templates that their machines come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amikiln.aws.permissions import NO_RESOURCE_LEVEL, needs

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_ec2 import EC2Client


@dataclass(frozen=True)
class GroupRecord:
    """An Auto Scaling group.

    Attributes:
        launch_image: What its launch template names as image: an id, or ``resolve:ssm:...``.
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
    def group(self, name: str) -> GroupRecord | None:
        """Return the group, or None if there is none of this name."""
        found = self._autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])
        if not found["AutoScalingGroups"]:
            return None
        raw = found["AutoScalingGroups"][0]
        return GroupRecord(
            name=name,
            desired=raw["DesiredCapacity"],
            launch_image=self._launch_image(raw),
            instance_ids=tuple(instance["InstanceId"] for instance in raw["Instances"]),
        )

    # What the template says is read, not resolved: AWS asks for no ssm:GetParameters.
    @needs("ec2:DescribeLaunchTemplateVersions", NO_RESOURCE_LEVEL)
    def _launch_image(self, group: Mapping[str, Any]) -> str:
        policy = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
        template = group.get("LaunchTemplate") or policy.get("LaunchTemplateSpecification")
        if not template:
            return ""
        versions = self._ec2.describe_launch_template_versions(
            LaunchTemplateId=template["LaunchTemplateId"],
            Versions=[template.get("Version") or "$Default"],
        )["LaunchTemplateVersions"]
        return versions[0]["LaunchTemplateData"].get("ImageId", "") if versions else ""
