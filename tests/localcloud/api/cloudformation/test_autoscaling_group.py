"""A group of a stack: what an update changes in place, and what it cannot."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.stack_templates import fleet, template
from localcloud.stacks import StackFixture


def test_what_depends_on_a_change_is_updated_too(stack: StackFixture) -> None:
    stack.create(template(**fleet()))
    first = stack.machine()
    group = stack.physical_id("Group")
    stack.update(template(**fleet(InstanceType="t3.medium")))
    updated = [name for name, status, _ in stack.events() if status == "UPDATE_COMPLETE"]
    assert updated == ["Template", "Group", "fleet"]
    assert stack.physical_id("Group") == group
    # The group is the same one, and its machine goes on.
    assert stack.machine()["InstanceId"] == first["InstanceId"]
    stack.cloud.client("ec2").terminate_instances(InstanceIds=[first["InstanceId"]])
    assert stack.machine(without=first["InstanceId"])["InstanceType"] == "t3.medium"


@pytest.mark.parametrize("region", ["", {"Ref": "AWS::Region"}, "us-east-1"])
def test_a_group_takes_every_zone(stack: StackFixture, region: Any) -> None:
    resources = fleet()
    resources["Group"]["Properties"]["AvailabilityZones"] = {"Fn::GetAZs": region}
    stack.create(template(**resources))
    zones = stack.cloud.client("ec2").describe_availability_zones()["AvailabilityZones"]
    (group,) = stack.cloud.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert group["AvailabilityZones"] == [zone["ZoneName"] for zone in zones]


def test_a_group_is_updated_in_place(stack: StackFixture) -> None:
    resources = fleet()
    properties = resources["Group"]["Properties"]
    properties["Tags"] = [{"Key": "queue", "Value": "cpu", "PropagateAtLaunch": True}]
    stack.create(template(**resources))
    first = stack.machine()
    tags = {tag["Key"]: tag["Value"] for tag in first["Tags"]}
    assert tags["queue"] == "cpu"
    assert tags["aws:cloudformation:stack-name"] == "fleet"
    assert tags["aws:cloudformation:logical-id"] == "Group"

    properties |= {"MaxSize": "5", "HealthCheckGracePeriod": 77}
    properties["Tags"] = [{"Key": "queue", "Value": "gpu", "PropagateAtLaunch": True}]
    stack.update(template(**resources))
    (group,) = stack.cloud.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert (group["MinSize"], group["MaxSize"]) == (1, 5)
    assert group["DesiredCapacity"] == 1
    assert group["HealthCheckGracePeriod"] == 77
    tags = {tag["Key"]: tag["Value"] for tag in group["Tags"]}
    assert tags["queue"] == "gpu"
    assert tags["aws:cloudformation:stack-name"] == "fleet"
    assert [one["InstanceId"] for one in group["Instances"]] == [first["InstanceId"]]


@pytest.mark.parametrize(
    ("name", "value"), [("AutoScalingGroupName", "other"), ("MaxInstanceLifetime", 86400)]
)
def test_what_a_group_cannot_do_fails_the_update(
    stack: StackFixture, name: str, value: Any
) -> None:
    stack.create(template(**fleet()))
    machine = stack.machine()
    resources = fleet(InstanceType="t3.medium")
    resources["Group"]["Properties"][name] = value
    failed = stack.update(template(**resources))
    assert failed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "[Group]" in failed["StackStatusReason"]
    # What was changed before the failure is changed back, as a version of its own.
    assert stack.template_data()["InstanceType"] == "t3.small"
    assert stack.machine()["InstanceId"] == machine["InstanceId"]
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stack.update()
