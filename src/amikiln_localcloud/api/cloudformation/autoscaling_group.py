"""``AWS::AutoScaling::AutoScalingGroup``: an update changes the group that is there.

moto deletes the group and makes another, which would end every machine. On AWS, running machines
stay until something else ends them, unless an update policy says otherwise.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/
aws-resource-autoscaling-autoscalinggroup.html
"""

from __future__ import annotations

import copy
from typing import Any

from moto.autoscaling.models import FakeAutoScalingGroup, autoscaling_backends
from moto.cloudformation.exceptions import ValidationError

from amikiln_localcloud.api.served import NotPartOfCloud

SETTINGS = {
    "AutoScalingGroupName",
    "AvailabilityZones",
    "Cooldown",
    "DesiredCapacity",
    "HealthCheckGracePeriod",
    "HealthCheckType",
    "LaunchConfigurationName",
    "LaunchTemplate",
    "MaxSize",
    "MinSize",
    "MixedInstancesPolicy",
    "NewInstancesProtectedFromScaleIn",
    "Tags",
    "TerminationPolicies",
    "VPCZoneIdentifier",
}


class GroupResource(FakeAutoScalingGroup):
    """CloudFormation's handlers for the type; the groups themselves are ``LocalGroup``s."""

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **kwargs: Any,
    ) -> FakeAutoScalingGroup:
        """Create a group, which launches its machines as any other."""
        _check(cloudformation_json["Properties"])
        return super().create_from_cloudformation_json(
            resource_name, cloudformation_json, account_id, region_name, **kwargs
        )

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> FakeAutoScalingGroup:
        """Change a group's settings to the template's; the group and its members stay.

        Raises:
            ValidationError: The change needs another group, or a setting is not supported.
        """
        wanted = cloudformation_json["Properties"]
        _check(wanted)
        group = original_resource
        if wanted.get("AutoScalingGroupName", group.name) != group.name:
            raise ValidationError(
                message="the local cloud does not replace a group by one of another name"
            )
        backend = autoscaling_backends[account_id][region_name]
        backend.update_auto_scaling_group(
            name=group.name,
            availability_zones=wanted.get("AvailabilityZones", []),
            desired_capacity=_get_int(wanted, "DesiredCapacity"),
            max_size=_get_int(wanted, "MaxSize"),
            min_size=_get_int(wanted, "MinSize"),
            launch_config_name=wanted.get("LaunchConfigurationName"),
            launch_template=wanted.get("LaunchTemplate"),
            vpc_zone_identifier=",".join(wanted.get("VPCZoneIdentifier", [])),
            health_check_period=_get_int(wanted, "HealthCheckGracePeriod") or 0,
            health_check_type=wanted.get("HealthCheckType", "EC2"),
            new_instances_protected_from_scale_in=wanted.get(
                "NewInstancesProtectedFromScaleIn", False
            ),
            mixed_instances_policy=copy.deepcopy(wanted.get("MixedInstancesPolicy")),
        )
        group.tags = wanted.get("Tags", [])
        return group  # type: ignore[no-any-return]


def _check(properties: dict[str, Any]) -> None:
    unknown = sorted(set(properties) - SETTINGS)
    if unknown:
        what = f"{', '.join(unknown)} of AWS::AutoScaling::AutoScalingGroup"
        raise ValidationError(message=str(NotPartOfCloud(what)))


def _get_int(properties: dict[str, Any], name: str) -> int | None:
    return None if properties.get(name) is None else int(properties[name])
