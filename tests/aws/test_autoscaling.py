"""Auto Scaling groups: those that exist, in few calls, with what their launch templates name."""

from __future__ import annotations

from typing import Any

from amikiln.aws.autoscaling import MOST_NAMES, AutoScaling
from amikiln.aws.connect import connect
from localcloud.fixture import CloudFixture


def autoscaling(cloud: CloudFixture) -> AutoScaling:
    return connect("us-east-1", cloud.session()).autoscaling


def make_group(cloud: CloudFixture, name: str, template: str) -> None:
    cloud.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=0,
        MaxSize=1,
        AvailabilityZones=["us-east-1a"],
        LaunchTemplate={"LaunchTemplateName": template, "Version": "$Latest"},
    )


def test_each_group_has_its_own_templates_image_and_missing_groups_are_left_out(
    cloud: CloudFixture,
) -> None:
    for template, image in {"one": cloud.base, "two": "resolve:ssm:/pointer"}.items():
        cloud.client("ec2").create_launch_template(
            LaunchTemplateName=template,
            LaunchTemplateData={"ImageId": image, "InstanceType": "t3.micro"},
        )
    for name, template in {"a": "one", "b": "two", "c": "two"}.items():
        make_group(cloud, name, template)
    found = autoscaling(cloud).find_groups(["c", "missing", "a", "b"])
    assert {group.name: group.launch_image for group in found} == {
        "a": cloud.base,
        "b": "resolve:ssm:/pointer",
        "c": "resolve:ssm:/pointer",
    }
    assert autoscaling(cloud).find_groups([]) == []


def test_no_call_names_more_groups_than_it_may(cloud: CloudFixture) -> None:
    sizes: list[int] = []

    def measure(params: dict[str, Any], **other: Any) -> None:
        sizes.append(len(params["AutoScalingGroupNames"]))

    here = autoscaling(cloud)
    events = here._autoscaling.meta.events
    events.register("before-parameter-build.autoscaling.DescribeAutoScalingGroups", measure)
    assert here.find_groups([f"group-{number}" for number in range(MOST_NAMES + 1)]) == []
    assert sizes == [50, 1]
