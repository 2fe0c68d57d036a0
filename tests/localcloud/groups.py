"""An Auto Scaling group of the local cloud: made, looked at, waited for."""

from __future__ import annotations

from typing import Any

from localcloud.fixture import CloudFixture
from localcloud.stacks import POINTER

SOURCES = {"LaunchTemplate", "MixedInstancesPolicy", "InstanceId", "LaunchConfigurationName"}


def create_template(cloud: CloudFixture, name: str = "builders", **data: Any) -> str:
    content = {"ImageId": f"resolve:ssm:{POINTER}", "InstanceType": "t3.small", **data}
    answer = cloud.client("ec2").create_launch_template(
        LaunchTemplateName=name, LaunchTemplateData=content
    )
    template_id: str = answer["LaunchTemplate"]["LaunchTemplateId"]
    return template_id


def create_group(
    cloud: CloudFixture, size: int = 1, name: str = "builders", **options: Any
) -> None:
    if not SOURCES & set(options):
        options["LaunchTemplate"] = {"LaunchTemplateId": create_template(cloud)}
    cloud.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=name,
        **{
            "MinSize": 0,
            "MaxSize": 3,
            "DesiredCapacity": size,
            "AvailabilityZones": ["us-east-1a", "us-east-1b"],
            **options,
        },
    )


def describe_group(cloud: CloudFixture) -> dict[str, Any]:
    (found,) = cloud.client("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=["builders"]
    )["AutoScalingGroups"]
    return found  # type: ignore[no-any-return]


def get_group(cloud: CloudFixture) -> Any:
    return cloud.autoscaling_backend.autoscaling_groups["builders"]


def wait_until_in_service(cloud: CloudFixture, count: int = 1, without: str = "") -> list[str]:
    """Wait until the group has this many members in service, and return their ids."""

    def ids() -> list[str]:
        return [
            member.instance.id
            for member in get_group(cloud).instance_states
            if member.lifecycle_state == "InService"
        ]

    cloud.until(lambda: len(ids()) == count and without not in ids(), "members in service")
    return ids()


def list_activities(cloud: CloudFixture) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.client("autoscaling").describe_scaling_activities(
        AutoScalingGroupName="builders"
    )["Activities"]
    return found
