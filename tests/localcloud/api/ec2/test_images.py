"""Images are kept, copied, deprecated, removed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.fixture import CloudFixture
from localcloud.images import build_image, code_of, snapshot_of


def test_deregistered_images_cannot_be_launched(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    image_id = build_image(cloud)
    snapshot_id = snapshot_of(ec2.describe_images(ImageIds=[image_id])["Images"][0])
    with pytest.raises(ClientError) as error:
        ec2.delete_snapshot(SnapshotId=snapshot_id)
    assert code_of(error) == "InvalidSnapshot.InUse"
    ec2.deregister_image(ImageId=image_id)
    assert ec2.describe_images(Owners=["self"])["Images"] == []
    with pytest.raises(ClientError) as error:
        cloud.run(ImageId=image_id)
    assert code_of(error) == "InvalidAMIID.Unavailable"
    files = cloud.cloud.snapshots.files(snapshot_id)
    assert files.disk.exists()
    ec2.delete_snapshot(SnapshotId=snapshot_id)
    assert not files.directory.exists()
    with pytest.raises(ClientError) as error:
        ec2.describe_snapshots(SnapshotIds=[snapshot_id])
    assert code_of(error) == "InvalidSnapshot.NotFound"


def test_deregistering_deletes_snapshots_when_told_to(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    image_id = build_image(cloud)
    snapshot_id = snapshot_of(ec2.describe_images(ImageIds=[image_id])["Images"][0])
    answer = ec2.deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=True)
    assert answer["DeleteSnapshotResults"] == [{"SnapshotId": snapshot_id, "ReturnCode": "success"}]
    assert ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"] == []
    assert not cloud.cloud.snapshots.files(snapshot_id).directory.exists()


def test_files_stay_while_a_machine_needs_them(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    image_id = build_image(cloud)
    instance_id = cloud.run_to("running", ImageId=image_id)
    source = cloud.hypervisor.machines[instance_id].plan.source
    ec2.deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=True)
    assert source.disk.exists()
    ec2.stop_instances(InstanceIds=[instance_id])
    cloud.until_state(instance_id, "stopped")
    ec2.start_instances(InstanceIds=[instance_id])
    cloud.until_state(instance_id, "running")
    ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.until_state(instance_id, "terminated")
    assert not source.directory.exists()


def test_copies_are_images_of_their_own(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    image_id = build_image(cloud)
    source = ec2.describe_images(ImageIds=[image_id])["Images"][0]
    copy_id = ec2.copy_image(
        SourceImageId=image_id,
        SourceRegion="us-east-1",
        Name="copied",
        TagSpecifications=[{"ResourceType": "image", "Tags": [{"Key": "of", "Value": "it"}]}],
    )["ImageId"]
    copy = cloud.until_image(copy_id, "available")
    assert copy["Tags"] == [{"Key": "of", "Value": "it"}]
    assert snapshot_of(copy) != snapshot_of(source)
    ec2.deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=True)
    instance_id = cloud.run_to("running", ImageId=copy_id)
    content = cloud.hypervisor.machines[instance_id].plan.source.disk.read_text()
    assert content.startswith("disk of i-")


def test_copies_to_another_region(cloud: CloudFixture) -> None:
    image_id = build_image(cloud)
    west = cloud.client("ec2", "us-west-2")
    copy_id = west.copy_image(SourceImageId=image_id, SourceRegion="us-east-1", Name="copied")[
        "ImageId"
    ]
    there = cloud.backend_of("us-west-2")
    cloud.until(lambda: there.amis[copy_id].state == "available")
    assert west.describe_images(Owners=["self"])["Images"][0]["ImageId"] == copy_id
    assert cloud.client("ec2").describe_images(Owners=["self"])["Images"][0]["ImageId"] == image_id


def test_deprecation_is_set_shown_and_taken_back(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    image_id = build_image(cloud)
    at = datetime.now(UTC) + timedelta(days=7)
    assert ec2.enable_image_deprecation(ImageId=image_id, DeprecateAt=at)["Return"] is True
    image = ec2.describe_images(ImageIds=[image_id])["Images"][0]
    assert image["DeprecationTime"] == at.strftime("%Y-%m-%dT%H:%M:00.000Z")
    assert ec2.disable_image_deprecation(ImageId=image_id)["Return"] is True
    assert "DeprecationTime" not in ec2.describe_images(ImageIds=[image_id])["Images"][0]


def test_deprecated_images_are_hidden_from_others_only(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    image_id = build_image(cloud)
    past = datetime.now(UTC) - timedelta(days=1)
    ec2.enable_image_deprecation(ImageId=image_id, DeprecateAt=past)
    with cloud.cloud.lock:
        cloud.base_image.deprecation_time = past.strftime("%Y-%m-%dT%H:%M:00.000Z")

    def list_ids(**options: Any) -> set[str]:
        return {image["ImageId"] for image in ec2.describe_images(**options)["Images"]}

    assert list_ids() == {image_id}
    assert list_ids(IncludeDeprecated=True) == {image_id, cloud.base}
    assert list_ids(ImageIds=[cloud.base]) == {cloud.base}
    cloud.run_to("running")


def test_others_images_cannot_be_changed(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    for action in (
        lambda: ec2.deregister_image(ImageId=cloud.base),
        lambda: ec2.enable_image_deprecation(ImageId=cloud.base, DeprecateAt=datetime.now(UTC)),
    ):
        with pytest.raises(ClientError) as error:
            action()
        assert code_of(error) == "AuthFailure"


def test_the_base_image_is_debians_and_public(cloud: CloudFixture) -> None:
    (image,) = cloud.client("ec2").describe_images(
        Owners=["136693071363"], Filters=[{"Name": "name", "Values": ["amikiln-base-debian-13-*"]}]
    )["Images"]
    assert image["ImageId"] == cloud.base
    assert (image["Public"], image["State"]) == (True, "available")
    assert (image["Architecture"], image["RootDeviceName"]) == ("x86_64", "/dev/sda1")
    assert image["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 4


def test_an_image_can_ask_for_tokens_and_keeps_that_over_a_restart(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    image_id = build_image(cloud)
    with pytest.raises(ClientError, match="ImdsSupport"):
        ec2.modify_image_attribute(ImageId=image_id, ImdsSupport={"Value": "v1.0"})
    ec2.modify_image_attribute(ImageId=image_id, ImdsSupport={"Value": "v2.0"})
    cloud.restart()
    ec2 = cloud.client("ec2")
    (image,) = ec2.describe_images(ImageIds=[image_id])["Images"]
    assert image["ImdsSupport"] == "v2.0"

    def tokens(**options: Any) -> str:
        (instance,) = ec2.run_instances(
            ImageId=image_id, MinCount=1, MaxCount=1, InstanceType="t3.small", **options
        )["Instances"]
        found = ec2.describe_instances(InstanceIds=[instance["InstanceId"]])
        options = found["Reservations"][0]["Instances"][0]["MetadataOptions"]
        return str(options["HttpTokens"])

    assert tokens() == "required"
    assert tokens(MetadataOptions={"HttpTokens": "optional"}) == "optional"
