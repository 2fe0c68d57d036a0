"""Images are disks of machines, written in the background."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.fixture import CloudFixture
from localcloud.images import code_of, create_image, snapshot_of


def test_a_running_machine_is_stopped_saved_and_booted_again(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    instance_id = cloud.run_to("running")
    machine = cloud.hypervisor.machines[instance_id]
    cloud.hypervisor.hold("save")
    image_id = create_image(cloud, instance_id, Description="a test's")
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
    cloud.until_image(create_image(cloud, instance_id, NoReboot=True), "available")
    machine = cloud.hypervisor.machines[instance_id]
    assert (machine.stops, machine.boots, machine.saves) == ([], 1, 1)


def test_a_stopped_machine_stays_stopped(cloud: CloudFixture) -> None:
    instance_id = cloud.run_to("running")
    cloud.client("ec2").stop_instances(InstanceIds=[instance_id])
    cloud.until_state(instance_id, "stopped")
    cloud.until_image(create_image(cloud, instance_id), "available")
    assert cloud.hypervisor.machines[instance_id].boots == 1
    cloud.until_state(instance_id, "stopped")


def test_a_failed_save_says_why_and_the_machine_boots_again(cloud: CloudFixture) -> None:
    instance_id = cloud.run_to("running")
    cloud.hypervisor.fail_next("save", "no space left on device")
    image = cloud.until_image(create_image(cloud, instance_id), "failed")
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
    cloud.until_image(create_image(cloud, instance_id), "available")
    assert "no memory" in cloud.until_state(instance_id, "stopped")["StateReason"]["Message"]


def test_terminating_the_machine_fails_its_image(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    instance_id = cloud.run_to("running")
    cloud.hypervisor.hold("save")
    image_id = create_image(cloud, instance_id)
    ec2.terminate_instances(InstanceIds=[instance_id])
    assert cloud.hypervisor.machines[instance_id].was_destroyed.wait(20)
    cloud.hypervisor.release("save")
    cloud.until_image(image_id, "failed")
    cloud.until_state(instance_id, "terminated")


def test_mapping_and_tags_are_those_of_the_request(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    volume = {"VolumeSize": 30, "VolumeType": "gp3", "Iops": 6000, "Throughput": 500}
    source = cloud.run_to(
        "running", BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": volume}]
    )
    image_id = create_image(
        cloud,
        source,
        BlockDeviceMappings=[
            {"DeviceName": "/dev/sda1", "Ebs": {"DeleteOnTermination": True}},
            {"DeviceName": "/dev/sdb", "NoDevice": ""},
        ],
        TagSpecifications=[
            {"ResourceType": "image", "Tags": [{"Key": "amikiln:image", "Value": "cpu"}]},
            {"ResourceType": "snapshot", "Tags": [{"Key": "amikiln:run", "Value": "7"}]},
        ],
    )
    cloud.until_image(image_id, "available")
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
    assert (snapshot["SnapshotId"], snapshot["VolumeSize"]) == (snapshot_id, 30)
    assert image_id in snapshot["Description"]
    instance_id = cloud.run_to("running", ImageId=image_id)
    assert cloud.hypervisor.machines[instance_id].plan.volume_gib == 30


@pytest.mark.parametrize("state", ["pending", "available"])
def test_a_name_is_used_once(cloud: CloudFixture, state: str) -> None:
    instance_id = cloud.run_to("running")
    if state == "pending":
        cloud.hypervisor.hold("save")
    image_id = create_image(cloud, instance_id, "twice")
    cloud.until_image(image_id, state)
    with pytest.raises(ClientError) as error:
        create_image(cloud, instance_id, "twice")
    assert code_of(error) == "InvalidAMIName.Duplicate"
    assert image_id in str(error.value)
    cloud.hypervisor.release("save")
    cloud.until_image(image_id, "available")
    cloud.client("ec2").deregister_image(ImageId=image_id)
    create_image(cloud, instance_id, "twice")


@pytest.mark.parametrize("name", ["star*", "x" * 129, "no:colons", "new\nline"])
def test_names_that_are_not_allowed(cloud: CloudFixture, name: str) -> None:
    instance_id = cloud.run_to("running")
    with pytest.raises(ClientError) as error:
        create_image(cloud, instance_id, name)
    assert code_of(error) == "InvalidAMIName.Malformed"


@pytest.mark.parametrize(
    "mapping",
    [
        {"Ebs": {"VolumeSize": 3}},
        {"Ebs": {"VolumeSize": 30}},
        {"Ebs": {"VolumeType": "io2"}},
        {"Ebs": {"Iops": 6000, "DeleteOnTermination": True}},
        {"Ebs": {"Throughput": 500}},
        {"Ebs": {"Encrypted": True}},
        {"Ebs": {"SnapshotId": "snap-0123456789abcdef0"}},
        {"NoDevice": ""},
    ],
    ids=str,
)
def test_nothing_else_of_an_existing_volume_can_be_changed(
    cloud: CloudFixture, mapping: dict[str, Any]
) -> None:
    instance_id = cloud.run_to("running")
    with pytest.raises(ClientError) as error:
        create_image(
            cloud, instance_id, BlockDeviceMappings=[{"DeviceName": "/dev/sda1", **mapping}]
        )
    assert code_of(error) == "InvalidBlockDeviceMapping"
