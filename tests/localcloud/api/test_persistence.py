"""What survives the daemon, and what does not."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from amikiln.errors import LocalCloudError
from amikiln_localcloud.machines.contract import SnapshotFiles
from localcloud.fakes import write_snapshot
from localcloud.fixture import CloudFixture

POINTER = "/buildkite/cpu-build-ami/us-east-1"


def create_image(
    cloud: CloudFixture,
    name: str = "kept",
    launch: Mapping[str, Any] | None = None,
    **options: Any,
) -> str:
    answer = cloud.client("ec2").create_image(
        InstanceId=cloud.run_to("running", **(launch or {})), Name=name, **options
    )
    image_id: str = answer["ImageId"]
    cloud.until_image(image_id, "available")
    return image_id


def describe_all(cloud: CloudFixture) -> list[Any]:
    """Return all that a client can see of what survives a restart."""
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
    image_id = create_image(
        cloud,
        Description="a test's",
        launch={"BlockDeviceMappings": [mapping]},
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
    before = describe_all(cloud)
    assert len(before[0]) == 2
    assert len(before[2]) == 2
    cloud.restart()
    assert describe_all(cloud) == before
    assert cloud.client("ssm").get_parameter(Name=f"{POINTER}:stable")["Parameter"]["Value"] == "1"
    (permission,) = cloud.client("ec2").describe_image_attribute(
        ImageId=image_id, Attribute="launchPermission"
    )["LaunchPermissions"]
    assert permission == {"UserId": "210987654321"}
    cloud.run_to("running", ImageId=image_id)
    # And once more, from what the second daemon wrote.
    cloud.restart()
    assert describe_all(cloud) == before


def test_what_was_removed_stays_removed(cloud: CloudFixture) -> None:
    ec2, ssm = cloud.client("ec2"), cloud.client("ssm")
    image_id = create_image(cloud)
    ssm.put_parameter(Name=POINTER, Value="1", Type="String")
    ec2.deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=True)
    ssm.delete_parameter(Name=POINTER)
    cloud.restart()
    assert cloud.client("ec2").describe_images(Owners=["self"])["Images"] == []
    assert cloud.client("ssm").describe_parameters()["Parameters"] == []
    assert list(cloud.home.snapshots.iterdir()) == []


def test_a_snapshot_outlives_its_image(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    image_id = create_image(cloud)
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
    lost, kept = create_image(cloud, "lost"), create_image(cloud, "kept")
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


def test_a_state_file_that_cannot_be_read_stops_the_start_and_loses_nothing(
    cloud: CloudFixture,
) -> None:
    create_image(cloud)
    cloud.stop()
    whole = cloud.home.state_file.read_text()
    cloud.home.state_file.write_text(whole[: len(whole) // 2])
    with pytest.raises(LocalCloudError, match=r"ledger\.json cannot be read"):
        cloud.start()
    cloud.stop()
    assert len(list(cloud.home.snapshots.iterdir())) == 1
    cloud.home.state_file.write_text(whole)
    cloud.start()
    assert len(cloud.client("ec2").describe_images(Owners=["self"])["Images"]) == 1


FORMER_STATE = """{
 "format": 1,
 "snapshots": [
  {"region": "us-east-1", "id": "snap-0123456789abcdef0", "size": 4, "description": "d",
   "started": "2026-01-02T03:04:05.678901", "from_image": "ami-0123456789abcdef0",
   "tags": {"a": "b"}}
 ],
 "images": [
  {"region": "us-east-1", "id": "ami-0123456789abcdef0", "name": "former", "description": "",
   "created": "2026-01-02T03:04:05", "architecture": "x86_64",
   "snapshot": "snap-0123456789abcdef0",
   "root_volume": {"device_name": "/dev/sda1", "snapshot_id": "snap-0123456789abcdef0",
    "size": 20, "type": "gp3", "iops": 6000, "throughput": null},
   "launch_permissions": [{"UserId": "210987654321"}], "source_instance": null,
   "source_image": null, "deprecation_time": "2027-01-02T03:04:00.000Z", "tags": {}}
 ],
 "parameters": [
  {"region": "us-east-1", "name": "/pointer",
   "versions": [{"number": 3, "value": "v", "type": "String", "data_type": "text",
    "description": null, "allowed_pattern": "", "key_id": null, "tier": null,
    "modified": "2026-01-02T03:04:05.678901+00:00", "labels": ["stable"]}],
   "tags": {}}
 ]
}"""
"""As versions before pydantic's records wrote it."""


def write_former_state(cloud: CloudFixture, text: str = FORMER_STATE) -> None:
    """Stop the cloud and replace what it left."""
    cloud.stop()
    cloud.home.state_file.write_text(text)
    files = SnapshotFiles(cloud.home.snapshots / "snap-0123456789abcdef0")
    if not files.directory.exists():
        write_snapshot(files, "disk of a former version")


def test_the_state_of_a_former_version_is_read(cloud: CloudFixture) -> None:
    write_former_state(cloud)
    cloud.start()
    (image,) = cloud.client("ec2").describe_images(Owners=["self"])["Images"]
    assert (image["Name"], image["CreationDate"]) == ("former", "2026-01-02T03:04:05.000Z")
    assert image["DeprecationTime"] == "2027-01-02T03:04:00.000Z"
    assert image["BlockDeviceMappings"][0]["Ebs"]["Iops"] == 6000
    (snapshot,) = cloud.client("ec2").describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert snapshot["Tags"] == [{"Key": "a", "Value": "b"}]
    parameter = cloud.client("ssm").get_parameter(Name="/pointer:stable")["Parameter"]
    assert (parameter["Value"], parameter["Version"]) == ("v", 3)
    assert parameter["LastModifiedDate"] == datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    cloud.run_to("running", ImageId=image["ImageId"])


@pytest.mark.parametrize(
    ("correct", "wrong", "fault"),
    [
        ('"format": 1', '"format": 2', r"format: Input should be 1"),
        ('"size": 20', '"size": "20"', r"images\.0\.root_volume\.size: .*valid integer"),
        ('"name": "former"', '"nome": "former"', r"images\.0\.name: Field required"),
        ('"number": 3', '"number": 3, "x": 1', r"parameters\.0\.versions\.0\.x: Extra inputs"),
    ],
)
def test_the_error_names_the_file_and_the_key(
    cloud: CloudFixture, correct: str, wrong: str, fault: str
) -> None:
    assert FORMER_STATE.count(correct) == 1
    write_former_state(cloud, FORMER_STATE.replace(correct, wrong))
    with pytest.raises(LocalCloudError, match=rf"ledger\.json cannot be read: {fault}") as error:
        cloud.start()
    assert "\n" not in str(error.value)
    cloud.stop()
    write_former_state(cloud)
    cloud.start()


def test_what_a_client_leaves_out_is_saved_too(cloud: CloudFixture) -> None:
    """Tags without a value, a parameter without a description, in no folder."""
    create_image(cloud, TagSpecifications=[{"ResourceType": "image", "Tags": [{"Key": "alone"}]}])
    cloud.client("ssm").put_parameter(Name="/bare", Value="1", Type="String")
    before = describe_all(cloud)
    cloud.restart()
    assert describe_all(cloud) == before


def test_a_snapshot_without_an_initrd_is_whole(cloud: CloudFixture) -> None:
    image_id = create_image(cloud)
    snapshot = cloud.backend.amis[image_id].ebs_snapshot.id
    cloud.cloud.snapshots.files(snapshot).initrd.unlink()
    cloud.restart()
    copy = cloud.client("ec2").copy_image(
        SourceImageId=image_id, SourceRegion="us-east-1", Name="copy"
    )["ImageId"]
    cloud.until_image(copy, "available")


def test_only_the_owner_can_read_the_state_file_and_no_partial_file_is_left(
    cloud: CloudFixture,
) -> None:
    cloud.client("ssm").put_parameter(Name="/s", Value="hidden", Type="SecureString")
    assert cloud.home.state_file.stat().st_mode & 0o777 == 0o600
    left = {entry for entry in cloud.home.state.iterdir() if entry.is_file()}
    assert left == {cloud.home.state_file, cloud.home.identity}


def test_reading_writes_nothing(cloud: CloudFixture) -> None:
    cloud.client("ssm").put_parameter(Name="/s", Value="1", Type="String")
    before = cloud.home.state_file.stat().st_mtime_ns
    describe_all(cloud)
    assert cloud.home.state_file.stat().st_mtime_ns == before


def test_a_parameter_that_was_answered_is_written(cloud: CloudFixture) -> None:
    """The lease and the pointer are on disk before PutParameter answers."""
    cloud.client("ssm").put_parameter(Name="/lease/17", Value="run-1", Type="String")
    assert "run-1" in cloud.home.state_file.read_text()
