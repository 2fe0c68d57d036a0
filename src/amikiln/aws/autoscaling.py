"""Auto Scaling groups, and everything that their instances may be launched from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from amikiln.aws.errors import error_code
from amikiln.aws.permissions import NO_RESOURCE_LEVEL, needs
from amikiln.aws.requests import batches, tag_filters

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_ec2 import EC2Client

MOST_NAMES = 50
"""How many names AWS accepts in one DescribeAutoScalingGroups or DescribeLaunchConfigurations.

https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingGroups.html
"""
STACK_TAG = "aws:cloudformation:stack-name"
"""CloudFormation gives it to what it makes:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html"""
NO_TEMPLATE = {
    "InvalidLaunchTemplateId.NotFound",
    "InvalidLaunchTemplateId.VersionNotFound",
    "InvalidLaunchTemplateName.NotFoundException",
}

LaunchTemplate = tuple[str, str]
"""A launch template's id, or its name where AWS gives no id, and its version: a number,
``$Default`` or ``$Latest``."""


@dataclass(frozen=True)
class GroupSelection:
    """Which groups are meant: all that are named in any of the ways.

    Attributes:
        names: Their names.
        stacks: The CloudFormation stacks that made them.
        having: Tags, all of which they have.
    """

    names: Sequence[str] = ()
    stacks: Sequence[str] = ()
    having: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether no group at all is meant."""
        return not (self.names or self.stacks or self.having)


@dataclass(frozen=True)
class LaunchSource:
    """Something that a group launches instances from.

    Attributes:
        what: In words, as ``launch template lt-0123 (version $Latest)``.
        image: The image there: an id, or ``resolve:ssm:...``; empty: none, or it does not exist.
    """

    what: str
    image: str


@dataclass(frozen=True)
class GroupRecord:
    """An Auto Scaling group.

    Attributes:
        desired: How many instances it should have.
        sources: All that it may launch instances from; of a mixed instances policy, each override
            that has a launch template or an image of its own is one. Never empty.
        instance_ids: Its instances, whatever their state.
    """

    name: str
    desired: int
    sources: tuple[LaunchSource, ...]
    instance_ids: tuple[str, ...]


@dataclass(frozen=True)
class FoundGroups:
    """What became of a selection.

    Attributes:
        groups: Each group once: the named ones in the order of their names' list, then the others.
        missing: What led to no group, in words, as ``Auto Scaling group of the stack ci``.
    """

    groups: tuple[GroupRecord, ...]
    missing: tuple[str, ...]


class AutoScaling:
    """Reads Auto Scaling groups."""

    def __init__(self, autoscaling: AutoScalingClient, ec2: EC2Client) -> None:
        self._autoscaling = autoscaling
        self._ec2 = ec2

    def find_groups(self, wanted: GroupSelection) -> FoundGroups:
        """Return the groups of a selection; each launch template is read once.

        One that is being deleted counts as missing.
        """
        found: dict[str, Mapping[str, Any]] = {}
        missing = []
        for what, raws in self._look_up(wanted):
            if not raws:
                missing.append(what)
            found.update((raw["AutoScalingGroupName"], raw) for raw in raws)
        wheres = {raw_name: list(_list_wheres(raw)) for raw_name, raw in found.items()}
        flat = [where for listed in wheres.values() for where in listed]
        templates = {where.template for where in flat if where.template is not None}
        images = {template: self._read_template(template) for template in templates}
        configurations = self._read_configurations(
            sorted({where.configuration for where in flat if where.configuration is not None})
        )
        return FoundGroups(
            tuple(
                GroupRecord(
                    name=name,
                    desired=raw["DesiredCapacity"],
                    sources=tuple(
                        where.to_source(images, configurations) for where in wheres[name]
                    ),
                    instance_ids=tuple(instance["InstanceId"] for instance in raw["Instances"]),
                )
                for name, raw in found.items()
            ),
            tuple(missing),
        )

    def _look_up(self, wanted: GroupSelection) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
        """Yield each part of a selection in words, with the groups that it led to."""
        # Names that are none would ask for all groups.
        named = {
            raw["AutoScalingGroupName"]: raw
            for some in batches(wanted.names, MOST_NAMES)
            for raw in self._describe(AutoScalingGroupNames=list(some))
        }
        for name in wanted.names:
            yield f"Auto Scaling group {name}", [named[name]] if name in named else []
        for stack in wanted.stacks:
            groups = self._describe(Filters=tag_filters({STACK_TAG: stack}))
            yield f"Auto Scaling group of the stack {stack}", groups
        if wanted.having:
            tags = ", ".join(f"{key}={value}" for key, value in wanted.having.items())
            groups = self._describe(Filters=tag_filters(wanted.having))
            yield f"Auto Scaling group with the tags {tags}", groups

    @needs("autoscaling:DescribeAutoScalingGroups", NO_RESOURCE_LEVEL)
    def _describe(self, **which: Any) -> list[Mapping[str, Any]]:
        pages = self._autoscaling.get_paginator("describe_auto_scaling_groups").paginate(**which)
        return [
            raw
            for page in pages
            for raw in page["AutoScalingGroups"]
            # Only a group that is being deleted has a status:
            # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AutoScalingGroup.html
            if not raw.get("Status")
        ]

    # resolve:ssm: is returned as it is, not resolved: that would need ssm:GetParameters.
    @needs("ec2:DescribeLaunchTemplateVersions", NO_RESOURCE_LEVEL)
    def _read_template(self, template: LaunchTemplate) -> str:
        name, version = template
        key = "LaunchTemplateId" if name.startswith("lt-") else "LaunchTemplateName"
        which: dict[str, Any] = {key: name, "Versions": [version]}
        try:
            answer = self._ec2.describe_launch_template_versions(**which)
        except ClientError as error:
            if error_code(error) in NO_TEMPLATE:
                return ""
            raise
        versions = answer["LaunchTemplateVersions"]
        return versions[0]["LaunchTemplateData"].get("ImageId", "") if versions else ""

    @needs("autoscaling:DescribeLaunchConfigurations", NO_RESOURCE_LEVEL)
    def _read_configurations(self, names: Sequence[str]) -> dict[str, str]:
        """Return the images of launch configurations by their names."""
        paginator = self._autoscaling.get_paginator("describe_launch_configurations")
        return {
            found["LaunchConfigurationName"]: found["ImageId"]
            for some in batches(names, MOST_NAMES)
            for page in paginator.paginate(LaunchConfigurationNames=list(some))
            for found in page["LaunchConfigurations"]
        }


@dataclass(frozen=True)
class _Where:
    """Where the image of a launch is said: exactly one of these, or nowhere."""

    prefix: str = ""
    template: LaunchTemplate | None = None
    configuration: str | None = None
    image: str = ""

    def to_source(
        self, templates: Mapping[LaunchTemplate, str], configurations: Mapping[str, str]
    ) -> LaunchSource:
        if self.template is not None:
            name, version = self.template
            what = f"{self.prefix}launch template {name} (version {version})"
            return LaunchSource(what, templates[self.template])
        if self.configuration is not None:
            what = f"{self.prefix}launch configuration {self.configuration}"
            return LaunchSource(what, configurations.get(self.configuration, ""))
        return LaunchSource(f"{self.prefix}image" if self.image else "nothing", self.image)


def _list_wheres(group: Mapping[str, Any]) -> Iterator[_Where]:
    """Yield where the images are said that a group may launch.

    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_LaunchTemplateOverrides.html
    """
    if name := group.get("LaunchConfigurationName"):
        yield _Where(configuration=name)
        return
    policy = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    overrides = policy.get("Overrides", [])
    template = group.get("LaunchTemplate") or policy.get("LaunchTemplateSpecification")
    own_images = ("LaunchTemplateSpecification", "ImageId")
    if not overrides or any(not any(map(one.get, own_images)) for one in overrides):
        yield _Where(template=_read_specification(template)) if template else _Where()
    for number, override in enumerate(overrides, 1):
        prefix = f"override {number} ({override.get('InstanceType', 'by requirements')}), its "
        if own := override.get("LaunchTemplateSpecification"):
            yield _Where(prefix, template=_read_specification(own))
        if image := override.get("ImageId"):
            yield _Where(prefix, image=image)


def _read_specification(template: Mapping[str, Any]) -> LaunchTemplate:
    name = template.get("LaunchTemplateId") or template["LaunchTemplateName"]
    return name, template.get("Version") or "$Default"
