"""Auto Scaling groups hold their capacity, whatever ends a machine."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.fixture import CloudFixture
from localcloud.groups import (
    create_group,
    create_template,
    describe_group,
    get_group,
    list_activities,
    wait_until_in_service,
)
from localcloud.stacks import put


def test_it_launches_what_is_desired(pointed_cloud: CloudFixture) -> None:
    create_group(
        pointed_cloud,
        size=2,
        Tags=[{"Key": "queue", "Value": "cpu", "PropagateAtLaunch": True}],
    )
    ids = wait_until_in_service(pointed_cloud, 2)
    members = describe_group(pointed_cloud)["Instances"]
    assert {member["LifecycleState"] for member in members} == {"InService"}
    assert {member["AvailabilityZone"] for member in members} == {"us-east-1a", "us-east-1b"}
    assert {member["LaunchTemplate"]["Version"] for member in members} == {"1"}
    for instance_id in ids:
        instance = pointed_cloud.until_state(instance_id, "running")
        tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
        assert tags["aws:autoscaling:groupName"] == "builders"
        assert tags["queue"] == "cpu"
        assert tags["aws:ec2launchtemplate:version"] == "1"
        assert instance["ImageId"] == pointed_cloud.base
        assert instance["Placement"]["AvailabilityZone"] in ("us-east-1a", "us-east-1b")
    assert {one["StatusCode"] for one in list_activities(pointed_cloud)} == {"Successful"}


def end_by_request(cloud: CloudFixture, instance_id: str) -> None:
    cloud.client("ec2").terminate_instances(InstanceIds=[instance_id])


def end_from_inside(cloud: CloudFixture, instance_id: str) -> None:
    cloud.hypervisor.machines[instance_id].shut_down_from_inside()


def end_by_accident(cloud: CloudFixture, instance_id: str) -> None:
    cloud.hypervisor.machines[instance_id].die()


def end_by_stopping(cloud: CloudFixture, instance_id: str) -> None:
    cloud.client("ec2").stop_instances(InstanceIds=[instance_id])


def end_by_health(cloud: CloudFixture, instance_id: str) -> None:
    cloud.client("autoscaling").set_instance_health(
        InstanceId=instance_id, HealthStatus="Unhealthy"
    )


def end_by_the_agent(cloud: CloudFixture, instance_id: str) -> None:
    cloud.client("autoscaling").terminate_instance_in_auto_scaling_group(
        InstanceId=instance_id, ShouldDecrementDesiredCapacity=False
    )


@pytest.mark.parametrize(
    "end",
    [
        end_by_request,
        end_from_inside,
        end_by_accident,
        end_by_stopping,
        end_by_health,
        end_by_the_agent,
    ],
)
@pytest.mark.parametrize("behaviour", ["stop", "terminate"])
def test_what_ends_is_replaced_from_the_image_that_is_named_now(
    pointed_cloud: CloudFixture, end: Any, behaviour: str
) -> None:
    data = {"InstanceInitiatedShutdownBehavior": behaviour}
    create_group(
        pointed_cloud, LaunchTemplate={"LaunchTemplateId": create_template(pointed_cloud, **data)}
    )
    (first,) = wait_until_in_service(pointed_cloud)
    image_id = pointed_cloud.client("ec2").create_image(InstanceId=first, Name="newer")["ImageId"]
    pointed_cloud.until_image(image_id, "available")
    machine = pointed_cloud.hypervisor.machines[first]
    pointed_cloud.until(lambda: machine.boots == 2)
    pointed_cloud.until(lambda: not pointed_cloud.backend.get_instance(first).image_in_progress)
    put(pointed_cloud, image_id)
    end(pointed_cloud, first)
    (second,) = wait_until_in_service(pointed_cloud, without=first)
    assert pointed_cloud.until_state(second, "running")["ImageId"] == image_id
    assert pointed_cloud.until_state(first, "terminated")["ImageId"] == pointed_cloud.base
    pointed_cloud.until(lambda: len(get_group(pointed_cloud).instance_states) == 1)
    assert machine.destroyed


def test_an_impaired_machine_is_replaced_after_the_grace_period(
    pointed_cloud: CloudFixture,
) -> None:
    create_group(pointed_cloud, HealthCheckGracePeriod=3600)
    (first,) = wait_until_in_service(pointed_cloud)
    pointed_cloud.hypervisor.machines[first].panic()
    # Every request makes the group look at its members.
    assert describe_group(pointed_cloud)["Instances"][0]["HealthStatus"] == "Healthy"
    pointed_cloud.client("autoscaling").update_auto_scaling_group(
        AutoScalingGroupName="builders", HealthCheckGracePeriod=0
    )
    wait_until_in_service(pointed_cloud, without=first)


def test_an_image_in_progress_is_not_a_failure(pointed_cloud: CloudFixture) -> None:
    create_group(pointed_cloud)
    (first,) = wait_until_in_service(pointed_cloud)
    pointed_cloud.hypervisor.hold("save")
    image_id = pointed_cloud.client("ec2").create_image(InstanceId=first, Name="of-a-member")[
        "ImageId"
    ]
    pointed_cloud.until(lambda: bool(pointed_cloud.hypervisor.machines[first].stops))
    describe_group(pointed_cloud)
    pointed_cloud.hypervisor.release("save")
    pointed_cloud.until_image(image_id, "available")
    assert wait_until_in_service(pointed_cloud) == [first]


def test_capacity_grows_and_shrinks(pointed_cloud: CloudFixture) -> None:
    autoscaling = pointed_cloud.client("autoscaling")
    create_group(pointed_cloud, size=1)
    (oldest,) = wait_until_in_service(pointed_cloud)
    autoscaling.set_desired_capacity(AutoScalingGroupName="builders", DesiredCapacity=3)
    wait_until_in_service(pointed_cloud, 3)
    autoscaling.set_desired_capacity(AutoScalingGroupName="builders", DesiredCapacity=2)
    assert oldest not in wait_until_in_service(pointed_cloud, 2)
    for wanted in (4, -1):
        with pytest.raises(ClientError) as error:
            autoscaling.set_desired_capacity(
                AutoScalingGroupName="builders", DesiredCapacity=wanted
            )
        assert error.value.response["Error"]["Code"] == "ValidationError"


def test_terminating_with_less_capacity_replaces_nothing(pointed_cloud: CloudFixture) -> None:
    autoscaling = pointed_cloud.client("autoscaling")
    create_group(pointed_cloud, size=2)
    first, second = wait_until_in_service(pointed_cloud, 2)
    autoscaling.terminate_instance_in_auto_scaling_group(
        InstanceId=first, ShouldDecrementDesiredCapacity=True
    )
    assert wait_until_in_service(pointed_cloud, 1) == [second]
    assert describe_group(pointed_cloud)["DesiredCapacity"] == 1


def test_a_new_template_version_is_used_when_the_pointer_moves(pointed_cloud: CloudFixture) -> None:
    create_group(pointed_cloud)
    (first,) = wait_until_in_service(pointed_cloud)
    pointed_cloud.client("ec2").create_launch_template_version(
        LaunchTemplateName="builders",
        SourceVersion="1",
        LaunchTemplateData={"InstanceType": "t3.medium"},
    )
    pointed_cloud.client("autoscaling").update_auto_scaling_group(
        AutoScalingGroupName="builders",
        LaunchTemplate={"LaunchTemplateName": "builders", "Version": "2"},
    )
    end_by_request(pointed_cloud, first)
    (second,) = wait_until_in_service(pointed_cloud, without=first)
    instance = pointed_cloud.until_state(second, "running")
    assert (instance["InstanceType"], instance["ImageId"]) == ("t3.medium", pointed_cloud.base)
    (member,) = [
        one for one in describe_group(pointed_cloud)["Instances"] if one["InstanceId"] == second
    ]
    assert member["LaunchTemplate"]["Version"] == "2"
