"""Requests about Auto Scaling groups: what is checked, followed and deleted."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from localcloud.fixture import CloudFixture
from localcloud.groups import (
    create_group,
    create_template,
    describe_group,
    wait_until_in_service,
)


def test_only_an_empty_group_is_deleted_unless_forced(pointed_cloud: CloudFixture) -> None:
    autoscaling = pointed_cloud.client("autoscaling")
    create_group(pointed_cloud)
    (first,) = wait_until_in_service(pointed_cloud)
    with pytest.raises(ClientError) as error:
        autoscaling.delete_auto_scaling_group(AutoScalingGroupName="builders")
    assert error.value.response["Error"]["Code"] == "ResourceInUse"
    autoscaling.delete_auto_scaling_group(AutoScalingGroupName="builders", ForceDelete=True)
    pointed_cloud.until_state(first, "terminated")
    assert autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"] == []


def test_a_suspended_launch_waits(pointed_cloud: CloudFixture) -> None:
    autoscaling = pointed_cloud.client("autoscaling")
    create_group(pointed_cloud, size=0)
    autoscaling.suspend_processes(AutoScalingGroupName="builders", ScalingProcesses=["Launch"])
    autoscaling.set_desired_capacity(AutoScalingGroupName="builders", DesiredCapacity=1)
    assert describe_group(pointed_cloud)["Instances"] == []
    autoscaling.resume_processes(AutoScalingGroupName="builders", ScalingProcesses=["Launch"])
    wait_until_in_service(pointed_cloud)
    assert len(pointed_cloud.hypervisor.machines) == 1


def test_names_and_sizes_are_checked(pointed_cloud: CloudFixture) -> None:
    autoscaling = pointed_cloud.client("autoscaling")
    create_group(pointed_cloud, size=0)
    policy = {"LaunchTemplate": {"LaunchTemplateName": "builders"}}
    with pytest.raises(ClientError) as error:
        create_group(pointed_cloud, **policy)
    assert error.value.response["Error"]["Code"] == "AlreadyExists"
    for sizes in ({"DesiredCapacity": 4}, {"MinSize": 4}):
        with pytest.raises(ClientError) as error:
            autoscaling.update_auto_scaling_group(AutoScalingGroupName="builders", **sizes)
        assert error.value.response["Error"]["Code"] == "ValidationError"
    with pytest.raises(ClientError) as error:
        autoscaling.set_desired_capacity(AutoScalingGroupName="nobody's", DesiredCapacity=1)
    assert error.value.response["Error"]["Code"] == "ValidationError"


def test_a_group_takes_its_settings_from_an_instance(pointed_cloud: CloudFixture) -> None:
    pointed_cloud.client("ec2").create_key_pair(KeyName="builders")
    model = pointed_cloud.run_to("running", InstanceType="t3.medium", KeyName="builders")
    create_group(pointed_cloud, InstanceId=model)
    (instance_id,) = wait_until_in_service(pointed_cloud)
    instance = pointed_cloud.until_state(instance_id, "running")
    assert instance_id != model
    assert (instance["ImageId"], instance["InstanceType"]) == (pointed_cloud.base, "t3.medium")
    assert instance["KeyName"] == "builders"
    with pytest.raises(ClientError) as error:
        create_group(pointed_cloud, name="another", InstanceId="i-0123456789abcdef0")
    assert error.value.response["Error"]["Code"] == "ValidationError"


def test_a_group_has_one_source_of_launches(pointed_cloud: CloudFixture) -> None:
    both = {
        "LaunchTemplate": {"LaunchTemplateId": create_template(pointed_cloud)},
        "InstanceId": "i-1",
    }
    for sources in ({"LaunchTemplate": {}, "MixedInstancesPolicy": {}}, both):
        with pytest.raises(ClientError) as error:
            create_group(pointed_cloud, **sources)
        assert error.value.response["Error"]["Code"] == "ValidationError"
    groups = pointed_cloud.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert groups == []


def test_a_mixed_instances_policy_is_followed_and_kept(pointed_cloud: CloudFixture) -> None:
    autoscaling, ec2 = pointed_cloud.client("autoscaling"), pointed_cloud.client("ec2")
    create_template(pointed_cloud)
    create_template(pointed_cloud, name="first-choice", ImageId=pointed_cloud.base)
    first_choice = {"LaunchTemplateName": "first-choice", "Version": "$Latest"}
    overrides = [
        {"InstanceType": "t3.large", "LaunchTemplateSpecification": first_choice},
        {"InstanceType": "t3.medium"},
    ]
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateName": "builders", "Version": "$Latest"},
            "Overrides": overrides,
        },
        "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 100},
    }
    create_group(pointed_cloud, MixedInstancesPolicy=policy)
    (first,) = wait_until_in_service(pointed_cloud)
    assert pointed_cloud.until_state(first, "running")["InstanceType"] == "t3.large"
    assert "LaunchTemplate" not in describe_group(pointed_cloud)
    ec2.create_launch_template_version(
        LaunchTemplateName="first-choice", LaunchTemplateData={"ImageId": "ami-0123456789abcdef0"}
    )
    autoscaling.update_auto_scaling_group(AutoScalingGroupName="builders", DesiredCapacity=2)
    (second,) = set(wait_until_in_service(pointed_cloud, 2)) - {first}
    assert pointed_cloud.until_state(second, "running")["InstanceType"] == "t3.medium"
    kept = describe_group(pointed_cloud)["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]
    assert [one["InstanceType"] for one in kept] == ["t3.large", "t3.medium"]
