"""Images are disks: written in the background, kept, copied, deprecated, removed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.fixture import CloudFixture


def create(cloud: CloudFixture, instance_id: str, name: str = "built", **options: Any) -> str:
    answer = cloud.client("ec2").create_image(InstanceId=instance_id, Name=name, **options)
    image_id: str = answer["ImageId"]
    return image_id


def build(cloud: CloudFixture, name: str = "built", **options: Any) -> str:
    """Return an available image."""
    image_id = create(cloud, cloud.run_to("running"), name, **options)
    cloud.until_image(image_id, "available")
    return image_id


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    code: str = error.value.response["Error"]["Code"]
    return code


def snapshot_of(image: dict[str, Any]) -> str:
    snapshot: str = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    return snapshot


def test_a_running_machine_is_stopped_saved_and_booted_again(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    instance_id = cloud.run_to("running")
    machine = cloud.hypervisor.machines[instance_id]
    cloud.hypervisor.hold("save")
    image_id = create(cloud, instance_id, Description="a test's")
    image = cloud.until_image(image_id, "pending")
    snapshot_id = snapshot_of(image)
    (snapshot,) = ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
    assert (snapshot["State"], snapshot["Progress"]) == ("pending", "0%")
    with pytest.raises(ClientError) as error:
        cloud.run(ImageId=image_id)
    assert code_of(error) == "InvalidAMIID.Unavailable"
    cloud.hypervisor.release("save")

    image = cloud.until_image(image_id, "available")
    assert (image["Name"], image["Description"]) == ("built", "a test's")
    assert (image["OwnerId"], image["Public"]) == ("123456789012", False)
    assert (image["Architecture"], image["RootDeviceType"]) == ("x86_64", "ebs")
    assert (image["SourceInstanceId"], image["RootDeviceName"]) == (instance_id, "/dev/sda1")
    (snapshot,) = ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
    assert (snapshot["State"], snapshot["Progress"]) == ("completed", "100%")
    assert snapshot["VolumeSize"] == 4
    cloud.until(lambda: machine.boots == 2)
    assert machine.stops == [cloud.cloud.timeouts.stop]
    assert cloud.until_state(instance_id, "running")["InstanceId"] == instance_id

    second = cloud.run_to("running", ImageId=image_id)
    source = cloud.hypervisor.machines[second].plan.source
    assert source.disk.read_text() == f"disk of {instance_id}"


def test_no_reboot_saves_the_running_machine(cloud: CloudFixture) -> None:
    instance_id = cloud.run_to("running")
    cloud.until_image(create(cloud, instance_id, NoReboot=True), "available")
    machine = cloud.hypervisor.machines[instance_id]
    assert (machine.stops, machine.boots, machine.saves) == ([], 1, 1)


def test_a_stopped_machine_stays_stopped(cloud: CloudFixture) -> None:
    instance_id = cloud.run_to("running")
    cloud.client("ec2").stop_instances(InstanceIds=[instance_id])
    cloud.until_state(instance_id, "stopped")
    cloud.until_image(create(cloud, instance_id), "available")
    assert cloud.hypervisor.machines[instance_id].boots == 1
    cloud.until_state(instance_id, "stopped")


def test_a_failed_save_says_why_and_the_machine_boots_again(cloud: CloudFixture) -> None:
    instance_id = cloud.run_to("running")
    cloud.hypervisor.fail_next("save", "no space left on device")
    image = cloud.until_image(create(cloud, instance_id), "failed")
    assert image["StateReason"]["Code"] == "Server.InternalError"
    assert "no space left on device" in image["StateReason"]["Message"]
    (snapshot,) = cloud.client("ec2").describe_snapshots(SnapshotIds=[snapshot_of(image)])[
        "Snapshots"
    ]
    assert snapshot["State"] == "error"
    machine = cloud.hypervisor.machines[instance_id]
    cloud.until(lambda: machine.boots == 2)


def test_a_machine_that_does_not_come_back_is_stopped(cloud: CloudFixture) -> None:
    instance_id = cloud.run_to("running")
    cloud.hypervisor.fail_next("start", "no memory")
    cloud.until_image(create(cloud, instance_id), "available")
    assert "no memory" in cloud.until_state(instance_id, "stopped")["StateReason"]["Message"]


def test_terminating_the_machine_fails_its_image(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    instance_id = cloud.run_to("running")
    cloud.hypervisor.hold("save")
    image_id = create(cloud, instance_id)
    ec2.terminate_instances(InstanceIds=[instance_id])
    assert cloud.hypervisor.machines[instance_id].was_destroyed.wait(20)
    cloud.hypervisor.release("save")
    cloud.until_image(image_id, "failed")
    cloud.until_state(instance_id, "terminated")


def test_mapping_and_tags_are_those_of_the_request(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    image_id = build(
        cloud,
        BlockDeviceMappings=[
            {
                "DeviceName": "/dev/sda1",
                "Ebs": {"VolumeSize": 30, "VolumeType": "gp3", "Iops": 6000, "Throughput": 500},
            }
        ],
        TagSpecifications=[
            {"ResourceType": "image", "Tags": [{"Key": "amikiln:image", "Value": "cpu"}]},
            {"ResourceType": "snapshot", "Tags": [{"Key": "amikiln:run", "Value": "7"}]},
        ],
    )
    (image,) = ec2.describe_images(Filters=[{"Name": "tag:amikiln:image", "Values": ["cpu"]}])[
        "Images"
    ]
    assert image["ImageId"] == image_id
    ebs = image["BlockDeviceMappings"][0]["Ebs"]
    snapshot_id = ebs.pop("SnapshotId")
    assert ebs == {
        "DeleteOnTermination": True,
        "VolumeSize": 30,
        "VolumeType": "gp3",
        "Iops": 6000,
        "Throughput": 500,
        "Encrypted": False,
    }
    (snapshot,) = ec2.describe_snapshots(
        Filters=[{"Name": "tag:amikiln:run", "Values": ["7"]}], OwnerIds=["self"]
    )["Snapshots"]
    assert (snapshot["SnapshotId"], snapshot["VolumeSize"]) == (snapshot_id, 4)
    assert image_id in snapshot["Description"]
    instance_id = cloud.run_to("running", ImageId=image_id)
    assert cloud.hypervisor.machines[instance_id].plan.volume_gib == 30


@pytest.mark.parametrize("state", ["pending", "available"])
def test_a_name_is_used_once(cloud: CloudFixture, state: str) -> None:
    instance_id = cloud.run_to("running")
    if state == "pending":
        cloud.hypervisor.hold("save")
    image_id = create(cloud, instance_id, "twice")
    cloud.until_image(image_id, state)
    with pytest.raises(ClientError) as error:
        create(cloud, instance_id, "twice")
    assert code_of(error) == "InvalidAMIName.Duplicate"
    assert image_id in str(error.value)
    cloud.hypervisor.release("save")
    cloud.until_image(image_id, "available")
    cloud.client("ec2").deregister_image(ImageId=image_id)
    create(cloud, instance_id, "twice")


@pytest.mark.parametrize("name", ["star*", "x" * 129, "no:colons", "new\nline"])
def test_names_that_are_not_allowed(cloud: CloudFixture, name: str) -> None:
    instance_id = cloud.run_to("running")
    with pytest.raises(ClientError) as error:
        create(cloud, instance_id, name)
    assert code_of(error) == "InvalidAMIName.Malformed"


def test_a_smaller_volume_is_refused(cloud: CloudFixture) -> None:
    instance_id = cloud.run_to("running")
    with pytest.raises(ClientError) as error:
        create(
            cloud,
            instance_id,
            BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 3}}],
        )
    assert code_of(error) == "InvalidBlockDeviceMapping"


def test_deregistered_images_cannot_be_launched(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    image_id = build(cloud)
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
    image_id = build(cloud)
    snapshot_id = snapshot_of(ec2.describe_images(ImageIds=[image_id])["Images"][0])
    answer = ec2.deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=True)
    assert answer["DeleteSnapshotResults"] == [{"SnapshotId": snapshot_id, "ReturnCode": "success"}]
    assert ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"] == []
    assert not cloud.cloud.snapshots.files(snapshot_id).directory.exists()


def test_files_stay_while_a_machine_needs_them(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    image_id = build(cloud)
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
    image_id = build(cloud)
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
    image_id = build(cloud)
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
    image_id = build(cloud)
    at = datetime.now(UTC) + timedelta(days=7)
    assert ec2.enable_image_deprecation(ImageId=image_id, DeprecateAt=at)["Return"] is True
    image = ec2.describe_images(ImageIds=[image_id])["Images"][0]
    assert image["DeprecationTime"] == at.strftime("%Y-%m-%dT%H:%M:00.000Z")
    assert ec2.disable_image_deprecation(ImageId=image_id)["Return"] is True
    assert "DeprecationTime" not in ec2.describe_images(ImageIds=[image_id])["Images"][0]


def test_deprecated_images_are_hidden_from_others_only(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    image_id = build(cloud)
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
    image_id = build(cloud)
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
