"""What survives the daemon, and what does not."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from amikiln.errors import LocalCloudError
from localcloud.fixture import CloudFixture

POINTER = "/buildkite/cpu-build-ami/us-east-1"


def image_of(cloud: CloudFixture, name: str = "kept", **options: Any) -> str:
    answer = cloud.client("ec2").create_image(
        InstanceId=cloud.run_to("running"), Name=name, **options
    )
    image_id: str = answer["ImageId"]
    cloud.until_image(image_id, "available")
    return image_id


def described(cloud: CloudFixture) -> list[Any]:
    """Return all that a client can see of what is kept."""
    ec2, ssm = cloud.client("ec2"), cloud.client("ssm")
    names = [one["Name"] for one in ssm.describe_parameters()["Parameters"]]
    return [
        sorted(ec2.describe_images()["Images"], key=lambda image: str(image["ImageId"])),
        sorted(ec2.describe_snapshots()["Snapshots"], key=lambda one: str(one["SnapshotId"])),
        [
            [
                {key: value for key, value in one.items() if key != "LastModifiedUser"}
                for one in ssm.get_parameter_history(Name=name, WithDecryption=True)["Parameters"]
            ]
            for name in names
        ],
        [
            ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
            for name in names
        ],
    ]


def test_images_snapshots_and_parameters_survive(cloud: CloudFixture) -> None:
    ec2, ssm = cloud.client("ec2"), cloud.client("ssm")
    mapping = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 20, "Iops": 6000}}
    tags = [{"Key": "amikiln:run", "Value": "7"}]
    image_id = image_of(
        cloud,
        Description="a test's",
        BlockDeviceMappings=[mapping],
        TagSpecifications=[
            {"ResourceType": "image", "Tags": tags},
            {"ResourceType": "snapshot", "Tags": tags},
        ],
    )
    ec2.enable_image_deprecation(
        ImageId=image_id, DeprecateAt=datetime.now(UTC) + timedelta(days=7)
    )
    ec2.modify_image_attribute(
        ImageId=image_id, LaunchPermission={"Add": [{"UserId": "210987654321"}]}
    )
    for number in range(3):
        ssm.put_parameter(Name=POINTER, Value=str(number), Type="String", Overwrite=True)
    ssm.label_parameter_version(Name=POINTER, ParameterVersion=2, Labels=["stable"])
    ssm.put_parameter(
        Name="plain", Value="hidden", Type="SecureString", Tags=[{"Key": "a", "Value": "b"}]
    )
    before = described(cloud)
    assert len(before[0]) == 2
    assert len(before[2]) == 2
    cloud.restart()
    assert described(cloud) == before
    assert cloud.client("ssm").get_parameter(Name=f"{POINTER}:stable")["Parameter"]["Value"] == "1"
    (permission,) = cloud.client("ec2").describe_image_attribute(
        ImageId=image_id, Attribute="launchPermission"
    )["LaunchPermissions"]
    assert permission == {"UserId": "210987654321"}
    cloud.run_to("running", ImageId=image_id)
    # And once more, from what the second daemon wrote.
    cloud.restart()
    assert described(cloud) == before


def test_what_was_removed_stays_removed(cloud: CloudFixture) -> None:
    ec2, ssm = cloud.client("ec2"), cloud.client("ssm")
    image_id = image_of(cloud)
    ssm.put_parameter(Name=POINTER, Value="1", Type="String")
    ec2.deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=True)
    ssm.delete_parameter(Name=POINTER)
    cloud.restart()
    assert cloud.client("ec2").describe_images(Owners=["self"])["Images"] == []
    assert cloud.client("ssm").describe_parameters()["Parameters"] == []
    assert list(cloud.home.snapshots.iterdir()) == []


def test_a_snapshot_outlives_its_image(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    image_id = image_of(cloud)
    ec2.deregister_image(ImageId=image_id)
    cloud.restart()
    (snapshot,) = cloud.client("ec2").describe_snapshots(OwnerIds=["self"])["Snapshots"]
    files = cloud.cloud.snapshots.files(snapshot["SnapshotId"])
    assert files.disk.exists()
    cloud.client("ec2").delete_snapshot(SnapshotId=snapshot["SnapshotId"])
    assert not files.directory.exists()


def test_images_without_files_are_dropped(
    cloud: CloudFixture, caplog: pytest.LogCaptureFixture
) -> None:
    lost, kept = image_of(cloud, "lost"), image_of(cloud, "kept")
    snapshot = cloud.backend.amis[lost].ebs_snapshot.id
    cloud.stop()
    shutil.rmtree(cloud.home.snapshots / snapshot)
    cloud.start()
    images = cloud.client("ec2").describe_images(Owners=["self"])["Images"]
    assert [image["ImageId"] for image in images] == [kept]
    assert f"image {lost} is dropped" in caplog.text
    (snapshot,) = cloud.client("ec2").describe_snapshots(OwnerIds=["self"])["Snapshots"]


def test_images_that_were_not_finished_are_removed(cloud: CloudFixture) -> None:
    cloud.hypervisor.fail_next("save", "no space left on device")
    answer = cloud.client("ec2").create_image(InstanceId=cloud.run_to("running"), Name="failed")
    cloud.until_image(answer["ImageId"], "failed")
    orphan = cloud.home.snapshots / "snap-0123456789abcdef0"
    orphan.mkdir(parents=True)
    (orphan / "disk.raw").write_text("of an image that nobody registered")
    cloud.restart()
    assert cloud.client("ec2").describe_images(Owners=["self"])["Images"] == []
    assert not orphan.exists()


def test_a_ledger_that_cannot_be_read_stops_the_start_and_loses_nothing(
    cloud: CloudFixture,
) -> None:
    image_of(cloud)
    cloud.stop()
    whole = cloud.home.ledger.read_text()
    cloud.home.ledger.write_text(whole[: len(whole) // 2])
    with pytest.raises(LocalCloudError, match=r"ledger\.json cannot be read"):
        cloud.start()
    cloud.stop()
    assert len(list(cloud.home.snapshots.iterdir())) == 1
    cloud.home.ledger.write_text(whole)
    cloud.start()
    assert len(cloud.client("ec2").describe_images(Owners=["self"])["Images"]) == 1


def test_a_snapshot_without_an_initrd_is_whole(cloud: CloudFixture) -> None:
    image_id = image_of(cloud)
    snapshot = cloud.backend.amis[image_id].ebs_snapshot.id
    cloud.cloud.snapshots.files(snapshot).initrd.unlink()
    cloud.restart()
    copy = cloud.client("ec2").copy_image(
        SourceImageId=image_id, SourceRegion="us-east-1", Name="copy"
    )["ImageId"]
    cloud.until_image(copy, "available")


def test_the_ledger_is_its_owner_s_alone_and_nothing_half_is_left(cloud: CloudFixture) -> None:
    cloud.client("ssm").put_parameter(Name="/s", Value="hidden", Type="SecureString")
    assert cloud.home.ledger.stat().st_mode & 0o777 == 0o600
    left = [entry.name for entry in cloud.home.state.iterdir() if entry.is_file()]
    assert left == [cloud.home.ledger.name]


def test_reading_writes_nothing(cloud: CloudFixture) -> None:
    cloud.client("ssm").put_parameter(Name="/s", Value="1", Type="String")
    before = cloud.home.ledger.stat().st_mtime_ns
    described(cloud)
    assert cloud.home.ledger.stat().st_mtime_ns == before


def test_a_parameter_that_was_answered_is_written(cloud: CloudFixture) -> None:
    """The lease and the pointer are on disk before PutParameter answers."""
    cloud.client("ssm").put_parameter(Name="/lease/17", Value="run-1", Type="String")
    assert "run-1" in cloud.home.ledger.read_text()
