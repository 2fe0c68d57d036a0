"""Roll out: groups that follow the pointer, and machines that do when their job ends."""

from __future__ import annotations

from typing import Any

import pytest

from amikiln.errors import RolloutError
from amikiln.rollout.rollout import describe_groups, roll_out
from amikiln.runtime.wait import DeadlinePassed
from fakes import spec
from harness import POINTER, Harness


def make_group(harness: Harness, image: str, **more: Any) -> None:
    harness.ec2.create_launch_template(
        LaunchTemplateName="cpu-build",
        LaunchTemplateData={"ImageId": image, "InstanceType": "t3.micro"},
    )
    template = {"LaunchTemplateName": "cpu-build", "Version": "$Latest"}
    harness.boto.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="cpu-build",
        MinSize=1,
        MaxSize=1,
        AvailabilityZones=["us-east-1a"],
        **(more or {"LaunchTemplate": template}),
    )
    # A group launches its machine a moment after it was made.
    harness.session.waiter.until(
        lambda: machines(harness) or None, what="the group's machine", deadline_seconds=20
    )


def machines(harness: Harness) -> list[str]:
    groups = harness.boto.client("autoscaling").describe_auto_scaling_groups()
    return [i["InstanceId"] for i in groups["AutoScalingGroups"][0]["Instances"]]


def test_a_group_that_is_not_there_yet_is_told_and_no_fault(harness: Harness) -> None:
    assert roll_out(spec(), "ami-1", harness.session) == ()
    assert "no Auto Scaling group cpu-build" in harness.report.said[-1]


def test_a_machine_that_ends_is_replaced_by_one_with_the_new_image(harness: Harness) -> None:
    first = harness.run()
    make_group(harness, f"resolve:ssm:{POINTER}")
    (old,) = machines(harness)
    second = harness.run(rebake=True)
    (group,) = second.turnover
    assert [machine.id for machine in group.outdated] == [old]
    assert group.outdated[0].image_id == first.image.id

    harness.ec2.terminate_instances(InstanceIds=[old])
    (group,) = roll_out(spec(), second.image.id, harness.session, wait_seconds=30)
    assert group.done
    assert [machine.image_id for machine in group.machines] == [second.image.id]
    assert machines(harness) != [old]


def test_a_group_with_a_fixed_image_does_not_follow(harness: Harness) -> None:
    done = harness.run()
    make_group(harness, done.image.id)
    with pytest.raises(RolloutError, match=f"launches {done.image.id} and does not follow"):
        roll_out(spec(), done.image.id, harness.session)
    (group,) = describe_groups(spec(), done.image.id, harness.session)
    assert not group.follows


def test_a_group_with_mixed_instances_is_read_too(harness: Harness) -> None:
    done = harness.run()
    make_group(
        harness,
        f"resolve:ssm:{POINTER}",
        MixedInstancesPolicy={
            "LaunchTemplate": {
                "LaunchTemplateSpecification": {
                    "LaunchTemplateName": "cpu-build",
                    "Version": "$Latest",
                },
                "Overrides": [{"InstanceType": "t3.small"}],
            }
        },
    )
    (group,) = describe_groups(spec(), done.image.id, harness.session)
    assert group.follows


def test_machines_at_work_are_waited_for_and_not_ended(harness: Harness) -> None:
    harness.run()
    make_group(harness, f"resolve:ssm:{POINTER}")
    before = machines(harness)
    second = harness.run(rebake=True)
    with pytest.raises(DeadlinePassed, match=f"cpu-build to run {second.image.id}"):
        roll_out(spec(), second.image.id, harness.session, wait_seconds=0.5)
    assert machines(harness) == before
