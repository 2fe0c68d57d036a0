"""How often a run calls the API: each operation's count is data, so that a new call is noticed.

What has not happened yet is asked for again, as often as the wait takes. Here the cloud comes to
rest before it answers, so every count is exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from amikiln import pipeline
from amikiln.aws.requests import tag_specifications
from amikiln.catalog.images import list_images
from amikiln.catalog.tags import TAG_RUN, TAG_VERDICT, tags_for_spec
from amikiln.report.status import read_status
from amikiln.retire.sweep import sweep
from amikiln.rollout.rollout import describe_fleet
from fakes import plan, spec
from harness import POINTER, Harness

FIRST_RUN = {
    "AuthorizeSecurityGroupIngress": 2,
    "CreateImage": 1,
    "CreateSecurityGroup": 2,
    "CreateTags": 1,
    "DeleteKeyPair": 2,
    "DeleteSecurityGroup": 2,
    "DescribeImages": 7,
    "DescribeInstanceTypeOfferings": 1,
    "DescribeInstanceTypes": 1,
    "DescribeInstances": 9,
    "DescribeKeyPairs": 3,
    "DescribeRouteTables": 1,
    "DescribeSecurityGroups": 3,
    "DescribeSnapshots": 1,
    "DescribeSubnets": 2,
    "EnableImageDeprecation": 1,
    "GetParameter": 2,
    "GetParameterHistory": 2,
    "GetParameters": 4,
    "GetParametersByPath": 1,
    "ImportKeyPair": 2,
    "PutParameter": 3,
    "RunInstances": 2,
    "StopInstances": 1,
    "TerminateInstances": 2,
}
"""Plan, bake, verify, publish and roll out, in an account that holds nothing yet."""
FIRST_VERSION = 62
"""Calls of such a run in the first version, which looked for no image to use instead."""

UNCHANGED_RUN = {
    "DeleteParameter": 1,
    "DescribeImages": 4,
    "DescribeInstanceTypeOfferings": 1,
    "DescribeInstanceTypes": 1,
    "DescribeInstances": 1,
    "DescribeKeyPairs": 1,
    "DescribeRouteTables": 1,
    "DescribeSecurityGroups": 1,
    "DescribeSnapshots": 1,
    "DescribeSubnets": 2,
    "GetParameter": 1,
    "GetParameterHistory": 2,
    "GetParameters": 3,
    "GetParametersByPath": 1,
    "PutParameter": 2,
}
"""The same again, when the image that is published will do."""

GROUPS = ("cpu-build", "cpu-build-spot", "cpu-build-night")
MACHINES = 2
ROLLOUT_POLL = {
    "DescribeAutoScalingGroups": 1,
    "DescribeInstances": 1,
    "DescribeLaunchTemplateVersions": 1,
}
"""However many groups and machines there are; a launch template is read once for all its groups."""

STATUS = {**ROLLOUT_POLL, "DescribeImages": 1, "GetParameter": 1}


@contextmanager
def count_calls(harness: Harness) -> Iterator[Counter[str]]:
    """Count the session's calls during the block, by operation."""
    counts: Counter[str] = Counter()

    def count(model: Any, **other: Any) -> None:
        counts[model.name] += 1
        harness.cloud.until_at_rest()

    clients = harness.clients()
    for client in clients:
        client.meta.events.register("before-call.*.*", count)
    yield counts
    for client in clients:
        client.meta.events.unregister("before-call.*.*", count)


def test_a_run_makes_exactly_these_calls(harness: Harness) -> None:
    with count_calls(harness) as counts:
        harness.run()
    assert dict(counts) == FIRST_RUN
    assert counts.total() < FIRST_VERSION


def test_a_run_with_nothing_to_do_makes_exactly_these_calls(harness: Harness) -> None:
    harness.run()
    with count_calls(harness) as counts:
        assert harness.run().skipped == ("bake", "verify", "publish")
    assert dict(counts) == UNCHANGED_RUN


def test_all_groups_and_their_machines_are_one_call_each(harness: Harness) -> None:
    done = harness.run()
    wanted = spec(fleet={"auto_scaling_groups": list(GROUPS)})
    make_groups(harness)
    with count_calls(harness) as counts:
        groups = describe_fleet(wanted, done.image.id, harness.session).groups
    assert dict(counts) == ROLLOUT_POLL
    assert [(group.group, len(group.machines)) for group in groups] == [
        (name, MACHINES) for name in GROUPS
    ]
    with count_calls(harness) as counts:
        assert len(read_status(wanted, harness.session).groups) == len(GROUPS)
    assert dict(counts) == STATUS


def test_the_instances_of_all_images_of_dead_runs_are_one_call(harness: Harness) -> None:
    left = [leave_failed_image(harness, number) for number in range(3)]
    used, *unused = left
    harness.cloud.run_to(ImageId=used)
    with count_calls(harness) as counts:
        images = list_images("cpu-build", harness.session)
        removed = sweep(pipeline.new_run("cpu-build"), plan(), images, harness.session)
    assert sorted(removed) == sorted(f"image {image_id}" for image_id in unused)
    assert counts["DescribeInstances"] == 2, "the dead runs' own, and those of all their images"


def make_groups(harness: Harness) -> None:
    harness.ec2.create_launch_template(
        LaunchTemplateName="cpu-build",
        LaunchTemplateData={"ImageId": f"resolve:ssm:{POINTER}", "InstanceType": "t3.micro"},
    )
    for name in GROUPS:
        harness.boto.client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName=name,
            MinSize=MACHINES,
            MaxSize=MACHINES,
            AvailabilityZones=["us-east-1a"],
            LaunchTemplate={"LaunchTemplateName": "cpu-build", "Version": "$Latest"},
        )

    def all_launched() -> bool | None:
        found = harness.boto.client("autoscaling").describe_auto_scaling_groups()
        groups = found["AutoScalingGroups"]
        return all(len(group["Instances"]) == MACHINES for group in groups) or None

    # A group launches its machines a moment after it was made.
    harness.session.waiter.until(all_launched, what="the groups' machines", deadline_seconds=20)


def leave_failed_image(harness: Harness, number: int) -> str:
    """Leave an image that did not prove itself, as a dead run does."""
    tags = {**tags_for_spec("cpu-build"), TAG_RUN: f"dead-{number}", TAG_VERDICT: "fail"}
    image_id: str = harness.ec2.copy_image(
        Name=f"dead-{number}",
        SourceImageId=harness.cloud.base,
        SourceRegion="us-east-1",
        TagSpecifications=tag_specifications(("image", "snapshot"), tags),
    )["ImageId"]
    harness.cloud.until_image(image_id, "available")
    return image_id
