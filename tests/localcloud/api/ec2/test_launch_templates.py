"""Launch templates: what they say counts, and is looked up at launch."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.fixture import CloudFixture

NAME = "/ami/of-builders"


def template(cloud: CloudFixture, **data: Any) -> str:
    content = {"ImageId": f"resolve:ssm:{NAME}", "InstanceType": "t3.medium", **data}
    cloud.client("ec2").create_launch_template(
        LaunchTemplateName="builders", LaunchTemplateData=content
    )
    return "builders"


def launch(cloud: CloudFixture, **options: Any) -> dict[str, Any]:
    answer = cloud.client("ec2").run_instances(
        LaunchTemplate={"LaunchTemplateName": "builders"}, MinCount=1, MaxCount=1, **options
    )
    return cloud.until_state(answer["Instances"][0]["InstanceId"], "running")


def put(cloud: CloudFixture, value: str) -> None:
    cloud.client("ssm").put_parameter(Name=NAME, Value=value, Type="String", Overwrite=True)


def test_references_are_resolved_at_each_launch(cloud: CloudFixture) -> None:
    template(cloud)
    put(cloud, cloud.base)
    first = launch(cloud)
    assert (first["ImageId"], first["InstanceType"]) == (cloud.base, "t3.medium")
    other = cloud.client("ec2").create_image(InstanceId=first["InstanceId"], Name="other")[
        "ImageId"
    ]
    cloud.until_image(other, "available")
    put(cloud, other)
    assert launch(cloud)["ImageId"] == other


@pytest.mark.parametrize("suffix", [":1", ":stable"])
def test_references_to_versions_and_labels(cloud: CloudFixture, suffix: str) -> None:
    put(cloud, cloud.base)
    put(cloud, "ami-0123456789abcdef0")
    cloud.client("ssm").label_parameter_version(Name=NAME, ParameterVersion=1, Labels=["stable"])
    template(cloud, ImageId=f"resolve:ssm:{NAME}{suffix}")
    assert launch(cloud)["ImageId"] == cloud.base
    direct = cloud.run_to("running", ImageId=f"resolve:ssm:{NAME}{suffix}")
    assert cloud.until_state(direct, "running")["ImageId"] == cloud.base


@pytest.mark.parametrize("suffix", ["", ":7", ":nobody", ":1:2"])
def test_references_to_nothing(cloud: CloudFixture, suffix: str) -> None:
    if suffix:
        put(cloud, cloud.base)
    template(cloud, ImageId=f"resolve:ssm:{NAME}{suffix}")
    with pytest.raises(ClientError) as error:
        launch(cloud)
    assert error.value.response["Error"]["Code"] == "InvalidParameterValue"
    assert NAME in error.value.response["Error"]["Message"]


def test_all_of_the_data_counts(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    ec2.create_key_pair(KeyName="builders")
    group = ec2.create_security_group(GroupName="builders", Description="for a test")["GroupId"]
    cloud.client("iam").create_instance_profile(InstanceProfileName="builders")
    put(cloud, cloud.base)
    template(
        cloud,
        KeyName="builders",
        UserData=base64.b64encode(b"#!/bin/sh\nexit 0\n").decode(),
        SecurityGroupIds=[group],
        IamInstanceProfile={"Name": "builders"},
        InstanceInitiatedShutdownBehavior="terminate",
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        BlockDeviceMappings=[
            {
                "DeviceName": "/dev/sda1",
                "Ebs": {"VolumeSize": 20, "VolumeType": "gp3", "Iops": 6000, "Throughput": 500},
            }
        ],
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "queue", "Value": "cpu"}]},
            {"ResourceType": "volume", "Tags": [{"Key": "of", "Value": "builders"}]},
        ],
    )
    instance = launch(cloud)
    machine = cloud.hypervisor.machines[instance["InstanceId"]]
    metadata = machine.plan.metadata()
    assert list(metadata.public_keys) == ["builders"]
    assert metadata.user_data == b"#!/bin/sh\nexit 0\n"
    assert metadata.token_required
    assert instance["MetadataOptions"]["HttpPutResponseHopLimit"] == 2
    assert [one["GroupId"] for one in instance["SecurityGroups"]] == [group]
    assert instance["IamInstanceProfile"]["Arn"].endswith("/builders")
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert tags["queue"] == "cpu"
    (volume,) = ec2.describe_volumes()["Volumes"]
    assert (volume["Size"], volume["Iops"], volume["Throughput"]) == (20, 6000, 500)
    assert volume["Tags"] == [{"Key": "of", "Value": "builders"}]
    assert machine.plan.volume_gib == 20
    machine.shut_down_from_inside()
    cloud.until_state(instance["InstanceId"], "terminated")


def test_the_request_wins_over_the_template(cloud: CloudFixture) -> None:
    put(cloud, "ami-0123456789abcdef0")
    template(cloud, MetadataOptions={"HttpTokens": "optional", "HttpPutResponseHopLimit": 2})
    instance = launch(
        cloud,
        ImageId=cloud.base,
        InstanceType="t3.small",
        MetadataOptions={"HttpTokens": "required"},
    )
    assert (instance["ImageId"], instance["InstanceType"]) == (cloud.base, "t3.small")
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert instance["MetadataOptions"]["HttpPutResponseHopLimit"] == 2


def test_a_version_starts_from_its_source(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    put(cloud, cloud.base)
    user_data = base64.b64encode(b"#!/bin/sh\n").decode()
    template(cloud, KeyName="nobody's", UserData=user_data)
    ec2.create_launch_template_version(
        LaunchTemplateName="builders",
        SourceVersion="1",
        LaunchTemplateData={"InstanceType": "t3.small", "UserData": user_data},
    )
    (version,) = ec2.describe_launch_template_versions(
        LaunchTemplateName="builders", Versions=["$Latest"]
    )["LaunchTemplateVersions"]
    data = version["LaunchTemplateData"]
    assert (version["VersionNumber"], version["DefaultVersion"]) == (2, False)
    assert (data["KeyName"], data["InstanceType"]) == ("nobody's", "t3.small")
    assert data["ImageId"] == f"resolve:ssm:{NAME}"
    assert data["UserData"] == user_data


def test_aliases_are_resolved_on_request(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    put(cloud, cloud.base)
    template(cloud)

    def image_id(resolve: bool) -> str:
        (version,) = ec2.describe_launch_template_versions(
            LaunchTemplateName="builders", Versions=["$Default"], ResolveAlias=resolve
        )["LaunchTemplateVersions"]
        found: str = version["LaunchTemplateData"]["ImageId"]
        return found

    assert image_id(resolve=True) == cloud.base
    assert image_id(resolve=False) == f"resolve:ssm:{NAME}"
