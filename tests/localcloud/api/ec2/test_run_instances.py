"""What RunInstances refuses, and what it keeps of what was asked."""

from __future__ import annotations

import os
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.fixture import CloudFixture


def get_refusal(cloud: CloudFixture, **options: Any) -> tuple[str, str]:
    """Return the code and message of the error that RunInstances answers; nothing may be made."""
    with pytest.raises(ClientError) as error:
        cloud.run(**options)
    assert cloud.client("ec2").describe_instances()["Reservations"] == []
    assert cloud.hypervisor.machines == {}
    told = error.value.response["Error"]
    return told["Code"], told["Message"]


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ("ami-0123456789abcdef0", "InvalidAMIID.NotFound"),
        ("not-an-ami", "InvalidAMIID.Malformed"),
        ("resolve:ssm:/no/such/parameter", "InvalidParameterValue"),
    ],
)
def test_images_that_are_not_there(cloud: CloudFixture, image: str, code: str) -> None:
    assert get_refusal(cloud, ImageId=image)[0] == code


def test_a_missing_key_pair(cloud: CloudFixture) -> None:
    assert get_refusal(cloud, KeyName="nobody's")[0] == "InvalidKeyPair.NotFound"


def test_a_missing_security_group(cloud: CloudFixture) -> None:
    assert (
        get_refusal(cloud, SecurityGroupIds=["sg-0123456789abcdef0"])[0] == "InvalidGroup.NotFound"
    )


def test_an_unknown_instance_type(cloud: CloudFixture) -> None:
    code, message = get_refusal(cloud, InstanceType="t3.gigantic")
    assert (code, "t3.gigantic" in message) == ("InvalidParameterValue", True)


def test_an_instance_type_of_another_architecture(cloud: CloudFixture) -> None:
    code, message = get_refusal(cloud, InstanceType="t4g.small")
    assert (code, "arm64" in message) == ("InvalidParameterValue", True)


def root(**ebs: Any) -> list[dict[str, Any]]:
    return [{"DeviceName": "/dev/sda1", "Ebs": ebs}]


@pytest.mark.parametrize(
    ("mappings", "code"),
    [
        (root(VolumeSize=3), "InvalidBlockDeviceMapping"),
        (root(VolumeSize=8, VolumeType="gp3", Iops=2999), "InvalidParameterValue"),
        (root(VolumeSize=8, VolumeType="gp3", Iops=6000), "InvalidParameterCombination"),
        (root(VolumeSize=8, VolumeType="gp3", Throughput=1000), "InvalidParameterCombination"),
        (root(VolumeSize=8, VolumeType="gp2", Throughput=250), "InvalidParameterCombination"),
        (root(VolumeSize=8, DeleteOnTermination=False), "UnsupportedOperation"),
        ([{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}}], "UnsupportedOperation"),
    ],
)
def test_volumes_that_do_not_fit(
    cloud: CloudFixture, mappings: list[dict[str, Any]], code: str
) -> None:
    assert get_refusal(cloud, BlockDeviceMappings=mappings)[0] == code


def test_volume_settings_are_kept(cloud: CloudFixture) -> None:
    instance_id = cloud.run_to(
        "running",
        BlockDeviceMappings=root(VolumeSize=20, VolumeType="gp3", Iops=6000, Throughput=500),
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "1"}]},
            {"ResourceType": "volume", "Tags": [{"Key": "b", "Value": "2"}]},
        ],
    )
    described = cloud.until_state(instance_id, "running")
    mapping = described["BlockDeviceMappings"]
    assert [one["DeviceName"] for one in mapping] == ["/dev/sda1"]
    assert mapping[0]["Ebs"]["DeleteOnTermination"] is True
    assert {"Key": "a", "Value": "1"} in described["Tags"]
    volume = cloud.client("ec2").describe_volumes(VolumeIds=[mapping[0]["Ebs"]["VolumeId"]])
    (volume,) = volume["Volumes"]
    kept = {key: volume[key] for key in ("Size", "VolumeType", "Iops", "Throughput")}
    assert kept == {"Size": 20, "VolumeType": "gp3", "Iops": 6000, "Throughput": 500}
    assert volume["Tags"] == [{"Key": "b", "Value": "2"}]
    assert cloud.hypervisor.machines[instance_id].plan.volume_gib == 20


def test_without_a_mapping_the_volume_is_the_image_s(cloud: CloudFixture) -> None:
    instance_id = cloud.run_to("running")
    (volume,) = cloud.client("ec2").describe_volumes()["Volumes"]
    assert (volume["Size"], volume["VolumeType"]) == (4, "gp3")
    assert (volume["Iops"], volume["Throughput"]) == (3000, 125)
    assert volume["SnapshotId"] == cloud.base_image.ebs_snapshot.id
    assert cloud.hypervisor.machines[instance_id].plan.source.disk.read_text() == (
        "disk of the base image"
    )


def test_memory_and_cores_are_the_types_capped_to_the_host(cloud: CloudFixture) -> None:
    small = cloud.hypervisor.machines[cloud.run_to("running", InstanceType="t3.nano")].plan
    assert (small.cores, small.memory_mib) == (min(2, os.cpu_count() or 1), 512)
    large = cloud.hypervisor.machines[cloud.run_to("running", InstanceType="m6i.32xlarge")].plan
    assert large.cores == min(128, os.cpu_count() or 1)
    host_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    assert large.memory_mib == min(512 * 1024, host_mib // 2)


def test_as_many_as_asked_for(cloud: CloudFixture) -> None:
    answer = cloud.client("ec2").run_instances(
        ImageId=cloud.base, MinCount=1, MaxCount=3, InstanceType="t3.small"
    )
    assert len(answer["Instances"]) == 3
    addresses = {
        cloud.until_state(one["InstanceId"], "running")["PublicIpAddress"]
        for one in answer["Instances"]
    }
    assert len(addresses) == 3


def test_a_client_token_launches_once(cloud: CloudFixture) -> None:
    first = cloud.run(ClientToken="bake-17")
    assert cloud.run(ClientToken="bake-17") == first
    assert cloud.run(ClientToken="bake-18") != first
    with pytest.raises(ClientError) as error:
        cloud.run(ClientToken="bake-17", InstanceType="t3.large")
    assert error.value.response["Error"]["Code"] == "IdempotentParameterMismatch"


def test_a_dry_run_makes_nothing(cloud: CloudFixture) -> None:
    assert get_refusal(cloud, DryRun=True)[0] == "DryRunOperation"


def test_types_and_offerings_are_still_described(cloud: CloudFixture) -> None:
    """They are left out of memory, not out of the answers."""
    ec2 = cloud.client("ec2")
    (kind,) = ec2.describe_instance_types(InstanceTypes=["m6i.large"])["InstanceTypes"]
    assert kind["VCpuInfo"]["DefaultVCpus"] == 2
    offerings = ec2.describe_instance_type_offerings(
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": ["t3.small"]}],
    )["InstanceTypeOfferings"]
    assert "us-east-1a" in {one["Location"] for one in offerings}
    assert (
        ec2.describe_instance_type_offerings(
            Filters=[{"Name": "instance-type", "Values": ["t3.gigantic"]}]
        )["InstanceTypeOfferings"]
        == []
    )
