"""Roll out: groups that follow the pointer, and machines that do when their job ends."""

from __future__ import annotations

from typing import Any

import pytest

from amikiln.errors import RolloutError
from amikiln.rollout.published import roll_out_published
from amikiln.rollout.rollout import describe_fleet, roll_out
from amikiln.runtime.wait import DeadlinePassed
from fakes import spec
from harness import FOLLOWED, POINTER, Harness

WANTED = spec(fleet=FOLLOWED)


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


@pytest.mark.parametrize(
    ("fleet", "missing"),
    [
        (FOLLOWED, "no Auto Scaling group cpu-build"),
        (
            {"auto_scaling_groups": ["a", "b"]},
            "no Auto Scaling group a, no Auto Scaling group b",
        ),
        ({"stacks": ["ci"]}, "no Auto Scaling group of the stack ci"),
        ({"group_tags": {"team": "x"}}, "no Auto Scaling group with the tags team=x"),
    ],
)
def test_a_group_that_does_not_exist_is_an_error(
    harness: Harness, fleet: dict[str, Any], missing: str
) -> None:
    with pytest.raises(RolloutError, match=f"^there is {missing} in us-east-1$") as caught:
        roll_out(spec(fleet=fleet), "ami-1", harness.session)
    assert caught.value.exit_code == 7
    with pytest.raises(RolloutError):
        roll_out(spec(fleet=fleet), "ami-1", harness.session, wait_seconds=1)


def test_a_spec_without_any_group_says_so(harness: Harness) -> None:
    assert roll_out(spec(), "ami-1", harness.session) == ()
    assert harness.report.said[-1].startswith("the spec names no Auto Scaling group: nothing")


def test_only_with_the_first_image_a_run_may_be_without_its_groups(harness: Harness) -> None:
    first = harness.run(WANTED)
    assert first.turnover == ()
    assert first.missing_groups == ("Auto Scaling group cpu-build",)
    told = "warning: there is no Auto Scaling group cpu-build: nothing launches the image"
    assert told in harness.report.said
    for options in ({}, {"rebake": True}):
        with pytest.raises(RolloutError, match="there is no Auto Scaling group cpu-build"):
            harness.run(WANTED, **options)


def test_the_command_has_one_exit_code_for_all_that_may_be_wrong(harness: Harness) -> None:
    with pytest.raises(RolloutError, match=f"{POINTER} names no image yet"):
        roll_out_published(WANTED, harness.session)
    harness.run()
    with pytest.raises(RolloutError, match="there is no Auto Scaling group cpu-build"):
        roll_out_published(WANTED, harness.session)
    make_group(harness, f"resolve:ssm:{POINTER}")
    harness.run(rebake=True)
    with pytest.raises(RolloutError, match="gave up after"):
        roll_out_published(WANTED, harness.session, wait_seconds=0.5)


def test_a_group_found_by_its_stack_follows(harness: Harness) -> None:
    done = harness.run()
    harness.follow()
    harness.boto.client("autoscaling").create_or_update_tags(
        Tags=[
            {
                "ResourceId": "cpu-build",
                "ResourceType": "auto-scaling-group",
                "Key": "aws:cloudformation:stack-name",
                "Value": "ci",
                "PropagateAtLaunch": False,
            }
        ]
    )
    (group,) = roll_out(spec(fleet={"stacks": ["ci"]}), done.image.id, harness.session)
    assert (group.group, group.follows) == ("cpu-build", True)
    assert harness.report.said[-1] == "Auto Scaling group cpu-build wants no machine now"


def test_an_override_with_a_template_of_its_own_does_not_follow(harness: Harness) -> None:
    done = harness.run()
    harness.follow()
    fixed = {"ImageId": done.image.id, "InstanceType": "t3.small"}
    harness.ec2.create_launch_template(LaunchTemplateName="fixed", LaunchTemplateData=fixed)
    of = [{"LaunchTemplateName": name, "Version": "$Latest"} for name in ("cpu-build", "fixed")]
    overrides = [
        {"InstanceType": "t3.micro"},
        {"InstanceType": "t3.small", "LaunchTemplateSpecification": of[1]},
    ]
    harness.boto.client("autoscaling").update_auto_scaling_group(
        AutoScalingGroupName="cpu-build",
        MixedInstancesPolicy={
            "LaunchTemplate": {"LaunchTemplateSpecification": of[0], "Overrides": overrides}
        },
    )
    match = rf"launches {done.image.id} from override 2 \(t3\.small\), its launch template fixed"
    with pytest.raises(RolloutError, match=match):
        roll_out(WANTED, done.image.id, harness.session)


def test_a_machine_that_ends_is_replaced_by_one_with_the_new_image(harness: Harness) -> None:
    first = harness.run()
    make_group(harness, f"resolve:ssm:{POINTER}")
    (old,) = machines(harness)
    second = harness.run(WANTED, rebake=True)
    (group,) = second.turnover
    assert [machine.id for machine in group.outdated] == [old]
    assert group.outdated[0].image_id == first.image.id

    harness.ec2.terminate_instances(InstanceIds=[old])
    (group,) = roll_out(WANTED, second.image.id, harness.session, wait_seconds=30)
    assert group.done
    assert [machine.image_id for machine in group.machines] == [second.image.id]
    assert machines(harness) != [old]


def test_a_group_with_a_fixed_image_does_not_follow(harness: Harness) -> None:
    done = harness.run()
    make_group(harness, done.image.id)
    with pytest.raises(RolloutError, match=f"launches {done.image.id} from launch template"):
        roll_out(WANTED, done.image.id, harness.session)
    (group,) = describe_fleet(WANTED, done.image.id, harness.session).groups
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
    (group,) = describe_fleet(WANTED, done.image.id, harness.session).groups
    assert group.follows


def test_machines_at_work_are_waited_for_and_not_ended(harness: Harness) -> None:
    harness.run()
    make_group(harness, f"resolve:ssm:{POINTER}")
    before = machines(harness)
    second = harness.run(WANTED, rebake=True)
    with pytest.raises(DeadlinePassed, match=f"fleet to run {second.image.id}"):
        roll_out(WANTED, second.image.id, harness.session, wait_seconds=0.5)
    assert machines(harness) == before
