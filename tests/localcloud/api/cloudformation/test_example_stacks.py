"""The stacks of cloudformation/: which of their machines are from the published image."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from localcloud.fixture import CloudFixture
from localcloud.stacks import EXAMPLES, POINTER, StackFixture, network, put

FOLLOWING = (EXAMPLES / "follow-parameter.yml").read_text()
RESOLVED = (EXAMPLES / "resolve-at-update.yml").read_text()


@pytest.fixture
def newer(cloud: CloudFixture) -> str:
    """A second image; the parameter names the first one."""
    put(cloud, cloud.base, DataType="aws:ec2:image")
    image_id: str = cloud.client("ec2").copy_image(
        Name="newer", SourceImageId=cloud.base, SourceRegion="us-east-1"
    )["ImageId"]
    cloud.until_image(image_id, "available")
    cloud.until(lambda: POINTER in cloud.ssm_backend._parameters, "the parameter")
    return image_id


def publish(cloud: CloudFixture, image_id: str) -> None:
    put(cloud, image_id)


def end(cloud: CloudFixture, instance_id: str) -> None:
    """End a machine as its job does."""
    cloud.hypervisor.machines[instance_id].shut_down_from_inside()


def test_the_next_machine_of_one_is_from_the_published_image(
    cloud: CloudFixture, newer: str
) -> None:
    stack = StackFixture(cloud)
    created = stack.create(FOLLOWING, **network(cloud), MinSize="1", InstanceTypes="t3.small")
    assert created["StackStatus"] == "CREATE_COMPLETE"
    first = stack.machine()
    assert first["ImageId"] == cloud.base
    publish(cloud, newer)
    assert cloud.until_state(first["InstanceId"], "running")["ImageId"] == cloud.base
    end(cloud, first["InstanceId"])
    assert stack.machine(without=first["InstanceId"])["ImageId"] == newer
    assert stack.describe() == created


def test_the_other_stays_with_its_image_until_an_update_changes_the_resource(
    cloud: CloudFixture, newer: str
) -> None:
    stack = StackFixture(cloud)
    stack.create(RESOLVED, **network(cloud), MinSize="1", InstanceType="t3.small")
    first = stack.machine()
    publish(cloud, newer)
    end(cloud, first["InstanceId"])
    second = stack.machine(without=first["InstanceId"])
    assert second["ImageId"] == cloud.base

    with pytest.raises(ClientError, match="No updates are to be performed"):
        stack.update()
    # An update of another resource leaves this one as it is.
    assert stack.update(MaxSize="5")["StackStatus"] == "UPDATE_COMPLETE"
    assert stack.template_data()["ImageId"] == cloud.base

    group = stack.physical_id("Group")
    assert stack.update(Release="2")["StackStatus"] == "UPDATE_COMPLETE"
    assert stack.template_data()["ImageId"] == newer
    assert stack.template_data("1")["ImageId"] == cloud.base
    assert stack.physical_id("Group") == group
    assert stack.machine()["InstanceId"] == second["InstanceId"]
    end(cloud, second["InstanceId"])
    third = stack.machine(without=second["InstanceId"])
    tags = {tag["Key"]: tag["Value"] for tag in third["Tags"]}
    assert (third["ImageId"], tags["release"]) == (newer, "2")
    assert tags["aws:ec2launchtemplate:version"] == "2"


@pytest.mark.parametrize("suffix", [":1", ":stable"])
def test_the_following_one_may_stay_with_a_version(
    cloud: CloudFixture, newer: str, suffix: str
) -> None:
    cloud.client("ssm").label_parameter_version(Name=POINTER, Labels=["stable"])
    publish(cloud, newer)
    stack = StackFixture(cloud)
    stack.create(
        FOLLOWING,
        **network(cloud),
        MinSize="1",
        InstanceTypes="t3.small",
        ImageParameter=POINTER + suffix,
    )
    assert stack.machine()["ImageId"] == cloud.base


def test_the_following_one_takes_its_instance_types_in_order(
    cloud: CloudFixture, newer: str
) -> None:
    stack = StackFixture(cloud)
    stack.create(FOLLOWING, **network(cloud), MinSize="1", InstanceTypes="t3.medium, t3.small")
    machine = stack.machine()
    assert machine["InstanceType"] == "t3.medium"
    assert machine["MetadataOptions"]["HttpTokens"] == "required"
    assert machine["MetadataOptions"]["HttpPutResponseHopLimit"] == 2
    (group,) = cloud.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    overrides = group["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]
    assert overrides == [{"InstanceType": "t3.medium"}, {"InstanceType": "t3.small"}]
    stack.update(InstanceTypes="t3.small,t3.large,t3.medium,t3.nano")
    (group,) = cloud.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    overrides = group["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]
    assert [one["InstanceType"] for one in overrides] == [
        "t3.small",
        "t3.large",
        "t3.medium",
        "t3.nano",
    ]
    assert stack.machine()["InstanceId"] == machine["InstanceId"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ImageParameter", "no-slash"),
        ("InstanceTypes", "m7i.large,large"),
        ("InstanceProfile", "arn:aws:iam::123456789012:instance-profile/builders"),
        ("MinSize", "-1"),
    ],
)
def test_the_following_one_says_what_its_parameters_may_be(
    cloud: CloudFixture, newer: str, name: str, value: str
) -> None:
    with pytest.raises(ClientError, match=f"Parameter '{name}' failed to satisfy constraint"):
        StackFixture(cloud).create(FOLLOWING, **network(cloud), **{name: value})


@pytest.mark.parametrize("template", [FOLLOWING, RESOLVED])
def test_machines_end_with_their_stack(cloud: CloudFixture, newer: str, template: str) -> None:
    kind = "InstanceTypes" if template is FOLLOWING else "InstanceType"
    stack = StackFixture(cloud)
    created = stack.create(template, **network(cloud), MinSize="1", **{kind: "t3.small"})
    machine = stack.machine()
    stack.client.delete_stack(StackName=stack.name)
    cloud.until_state(machine["InstanceId"], "terminated")
    assert cloud.hypervisor.machines[machine["InstanceId"]].destroyed
    assert cloud.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"] == []
    assert cloud.client("ec2").describe_launch_templates()["LaunchTemplates"] == []
    with pytest.raises(ClientError, match="does not exist"):
        stack.describe()
    (gone,) = stack.client.describe_stacks(StackName=created["StackId"])["Stacks"]
    assert gone["StackStatus"] == "DELETE_COMPLETE"


def test_stacks_end_with_the_cloud(cloud: CloudFixture, newer: str) -> None:
    stack = StackFixture(cloud)
    stack.create(FOLLOWING, **network(cloud), MinSize="1", InstanceTypes="t3.small")
    stack.machine()
    cloud.restart()
    again = StackFixture(cloud)
    assert again.client.describe_stacks()["Stacks"] == []
    again.create(FOLLOWING, **network(cloud), MinSize="1", InstanceTypes="t3.small")
    assert again.machine()["ImageId"] == cloud.base
