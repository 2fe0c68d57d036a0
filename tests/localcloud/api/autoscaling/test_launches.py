"""A group is checked before it is made or changed: moto makes one that can launch nothing."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.fixture import CloudFixture
from localcloud.groups import create_group, create_template


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"ImageId": "resolve:ssm:/no/such/parameter"}, "Systems Manager parameter"),
        ({"ImageId": "ami-0123456789abcdef0"}, "does not exist"),
        ({"KeyName": "nobodys"}, "key pair 'nobodys' does not exist"),
        ({"InstanceType": "t3.unheard-of"}, "Invalid value 't3.unheard-of' for InstanceType"),
        ({"SecurityGroupIds": ["sg-0123456789abcdef0"]}, "sg-0123456789abcdef0"),
        ({"IamInstanceProfile": {"Name": "nobodys"}}, "nobodys"),
    ],
)
def test_a_group_that_cannot_launch_is_not_made(
    pointed_cloud: CloudFixture, data: dict[str, Any], why: str
) -> None:
    create_template(pointed_cloud, **data)
    autoscaling = pointed_cloud.client("autoscaling")
    source = {"LaunchTemplateName": "builders"}
    with pytest.raises(ClientError) as error:
        create_group(pointed_cloud, size=0, LaunchTemplate=source)
    told = error.value.response["Error"]
    assert told["Code"] == "ValidationError"
    assert told["Message"].startswith("You must use a valid fully-formed launch template. ")
    assert why in told["Message"]
    assert autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"] == []
    create_template(pointed_cloud, name="good")
    create_group(pointed_cloud, size=0, LaunchTemplate={"LaunchTemplateName": "good"})
    with pytest.raises(ClientError, match="valid fully-formed"):
        autoscaling.update_auto_scaling_group(
            AutoScalingGroupName="builders", LaunchTemplate=source, MaxSize=2
        )
    (group,) = autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    assert (group["LaunchTemplate"]["LaunchTemplateName"], group["MaxSize"]) == ("good", 3)


@pytest.mark.parametrize(
    "where", [{"AvailabilityZones": ["us-east-1q"]}, {"VPCZoneIdentifier": "subnet-0123"}]
)
def test_a_group_is_not_made_where_there_is_no_such_place(
    pointed_cloud: CloudFixture, where: dict[str, Any]
) -> None:
    with pytest.raises(ClientError):
        create_group(pointed_cloud, size=0, **{"AvailabilityZones": [], **where})
    found = pointed_cloud.client("autoscaling").describe_auto_scaling_groups()
    assert found["AutoScalingGroups"] == []


@pytest.mark.parametrize("source", ["LaunchTemplateName", "Version", "configuration"])
def test_a_group_is_not_made_from_what_is_not_there(
    pointed_cloud: CloudFixture, source: str
) -> None:
    create_template(pointed_cloud)
    options: dict[str, Any] = {
        "LaunchTemplateName": {"LaunchTemplate": {"LaunchTemplateName": "nobodys"}},
        "Version": {"LaunchTemplate": {"LaunchTemplateName": "builders", "Version": "9"}},
        "configuration": {"LaunchConfigurationName": "nobodys"},
    }[source]
    with pytest.raises(ClientError) as error:
        create_group(pointed_cloud, size=0, **options)
    assert error.value.response["Error"]["Code"] == "ValidationError"
