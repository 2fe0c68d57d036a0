"""The switch that shows new things late: what AWS may answer of them meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from amikiln_localcloud.api.late import Lateness
from localcloud.fixture import CloudFixture

SECONDS = 10.0


class Now:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def late(tmp_path: Path, now: Now) -> Iterator[CloudFixture]:
    fixture = CloudFixture(tmp_path, Lateness(SECONDS, now))
    fixture.client("ec2").describe_subnets()
    yield fixture
    fixture.stop()


def code_of(call: Any, **options: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**options)
    code: str = caught.value.response["Error"]["Code"]
    return code


TAGS = [{"Key": "team", "Value": "ci"}]
BY_TAG = [{"Name": "tag:team", "Values": ["ci"]}]


def tagged(kind: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": TAGS}]


def test_an_instance_is_not_found_then_in_no_list_then_there(late: CloudFixture, now: Now) -> None:
    ec2 = late.client("ec2")
    instance = late.run(TagSpecifications=tagged("instance"))

    def listed() -> int:
        return len(ec2.describe_instances(Filters=BY_TAG)["Reservations"])

    assert code_of(ec2.describe_instances, InstanceIds=[instance]) == "InvalidInstanceID.NotFound"
    assert code_of(ec2.stop_instances, InstanceIds=[instance]) == "InvalidInstanceID.NotFound"
    assert listed() == 0
    now.seconds += SECONDS
    assert ec2.describe_instances(InstanceIds=[instance])["Reservations"]
    assert code_of(ec2.terminate_instances, InstanceIds=[instance]) == "UnauthorizedOperation"
    assert listed() == 0
    now.seconds += SECONDS
    assert listed() == 1
    ec2.terminate_instances(InstanceIds=[instance])


def test_keys_and_groups_are_unknown_to_a_launch_and_their_names_are_taken(
    late: CloudFixture, now: Now
) -> None:
    ec2 = late.client("ec2")
    group = ec2.create_security_group(GroupName="ours", Description="ours")["GroupId"]
    ec2.create_key_pair(KeyName="ours", TagSpecifications=tagged("key-pair"))
    assert code_of(late.run, KeyName="ours") == "InvalidKeyPair.NotFound"
    assert code_of(late.run, SecurityGroupIds=[group]) == "InvalidGroup.NotFound"
    assert code_of(ec2.create_key_pair, KeyName="ours") == "InvalidKeyPair.Duplicate"
    assert (
        code_of(ec2.create_security_group, GroupName="ours", Description="x")
        == "InvalidGroup.Duplicate"
    )
    ec2.delete_key_pair(KeyName="ours")
    now.seconds += 2 * SECONDS
    assert ec2.describe_key_pairs(KeyNames=["ours"])["KeyPairs"], "the deletion did nothing"
    late.run(KeyName="ours", SecurityGroupIds=[group])


def test_a_group_is_in_use_for_a_while_after_its_instance_ended(
    late: CloudFixture, now: Now
) -> None:
    ec2 = late.client("ec2")
    group = ec2.create_security_group(GroupName="ours", Description="ours")["GroupId"]
    now.seconds += 2 * SECONDS
    instance = late.run(SecurityGroupIds=[group])
    now.seconds += 2 * SECONDS
    ec2.terminate_instances(InstanceIds=[instance])
    late.until(lambda: late.backend.get_instance(instance).state == "terminated")
    assert code_of(ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    now.seconds += SECONDS
    ec2.delete_security_group(GroupId=group)


def test_images_and_snapshots_come_late_and_a_deregistered_ones_snapshot_stays_in_use(
    late: CloudFixture, now: Now
) -> None:
    ec2 = late.client("ec2")
    copied = {"Name": "copy", "SourceImageId": late.base, "SourceRegion": "us-east-1"}
    image = ec2.copy_image(**copied)["ImageId"]
    assert code_of(ec2.describe_images, ImageIds=[image]) == "InvalidAMIID.NotFound"
    assert code_of(ec2.copy_image, **copied) == "InvalidAMIName.Duplicate"
    assert ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"] == []
    now.seconds += 2 * SECONDS
    late.until_image(image, "available")
    (snapshot,) = ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    ec2.deregister_image(ImageId=image)
    which = snapshot["SnapshotId"]
    assert code_of(ec2.delete_snapshot, SnapshotId=which) == "InvalidSnapshot.InUse"
    now.seconds += SECONDS
    ec2.delete_snapshot(SnapshotId=which)


def test_parameters_are_read_by_name_before_they_are_listed(late: CloudFixture, now: Now) -> None:
    ssm = late.client("ssm")

    def put(value: str) -> None:
        ssm.put_parameter(Name="/team/one", Value=value, Type="String")

    def listed() -> int:
        return len(ssm.get_parameters_by_path(Path="/team")["Parameters"])

    put("x")
    assert code_of(ssm.get_parameter, Name="/team/one") == "ParameterNotFound"
    assert ssm.get_parameters(Names=["/team/one"])["Parameters"] == []
    assert code_of(put, value="y") == "ParameterAlreadyExists"
    now.seconds += SECONDS
    assert ssm.get_parameter(Name="/team/one")["Parameter"]["Value"] == "x"
    assert listed() == 0
    now.seconds += SECONDS
    assert listed() == 1


def test_what_was_there_before_is_there_and_so_it_is_without_the_switch(
    late: CloudFixture, cloud: CloudFixture
) -> None:
    for each in (late, cloud):
        assert each.client("ec2").describe_images(ImageIds=[each.base])["Images"]
    instance = cloud.run()
    assert cloud.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"]
