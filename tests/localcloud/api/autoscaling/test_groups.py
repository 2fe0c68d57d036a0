"""Auto Scaling groups hold their capacity, whatever ends a machine."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.fixture import CloudFixture

POINTER = "/buildkite/cpu-build-ami/us-east-1"


def point(cloud: CloudFixture, image_id: str) -> None:
    cloud.client("ssm").put_parameter(Name=POINTER, Value=image_id, Type="String", Overwrite=True)


def template(cloud: CloudFixture, **data: Any) -> str:
    content = {"ImageId": f"resolve:ssm:{POINTER}", "InstanceType": "t3.small", **data}
    answer = cloud.client("ec2").create_launch_template(
        LaunchTemplateName="builders", LaunchTemplateData=content
    )
    template_id: str = answer["LaunchTemplate"]["LaunchTemplateId"]
    return template_id


def group(cloud: CloudFixture, size: int = 1, name: str = "builders", **options: Any) -> None:
    if not {"LaunchTemplate", "MixedInstancesPolicy", "InstanceId"} & set(options):
        options["LaunchTemplate"] = {"LaunchTemplateId": template(cloud)}
    cloud.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=name,
        **{
            "MinSize": 0,
            "MaxSize": 3,
            "DesiredCapacity": size,
            "AvailabilityZones": ["us-east-1a", "us-east-1b"],
            **options,
        },
    )


def describe_group(cloud: CloudFixture) -> dict[str, Any]:
    (found,) = cloud.client("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=["builders"]
    )["AutoScalingGroups"]
    return found  # type: ignore[no-any-return]


def get_group(cloud: CloudFixture) -> Any:
    return cloud.autoscaling_backend.autoscaling_groups["builders"]


def wait_until_in_service(cloud: CloudFixture, count: int = 1, without: str = "") -> list[str]:
    """Wait until the group has this many members in service, and return their ids."""

    def ids() -> list[str]:
        return [
            member.instance.id
            for member in get_group(cloud).instance_states
            if member.lifecycle_state == "InService"
        ]

    cloud.until(lambda: len(ids()) == count and without not in ids(), "members in service")
    return ids()


def activities(cloud: CloudFixture) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.client("autoscaling").describe_scaling_activities(
        AutoScalingGroupName="builders"
    )["Activities"]
    return found


@pytest.fixture
def pointed_cloud(cloud: CloudFixture) -> CloudFixture:
    point(cloud, cloud.base)
    return cloud


def test_it_launches_what_is_desired(pointed_cloud: CloudFixture) -> None:
    group(
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
    assert {one["StatusCode"] for one in activities(pointed_cloud)} == {"Successful"}


def test_a_machine_is_pending_until_it_runs(pointed_cloud: CloudFixture) -> None:
    pointed_cloud.hypervisor.hold("start")
    group(pointed_cloud)
    pointed_cloud.until(lambda: len(get_group(pointed_cloud).instance_states) == 1)
    assert describe_group(pointed_cloud)["Instances"][0]["LifecycleState"] == "Pending"
    assert activities(pointed_cloud)[0]["StatusCode"] == "InProgress"
    pointed_cloud.hypervisor.release("start")
    wait_until_in_service(pointed_cloud)
    assert activities(pointed_cloud)[0]["StatusCode"] == "Successful"


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
    group(pointed_cloud, LaunchTemplate={"LaunchTemplateId": template(pointed_cloud, **data)})
    (first,) = wait_until_in_service(pointed_cloud)
    image_id = pointed_cloud.client("ec2").create_image(InstanceId=first, Name="newer")["ImageId"]
    pointed_cloud.until_image(image_id, "available")
    machine = pointed_cloud.hypervisor.machines[first]
    pointed_cloud.until(lambda: machine.boots == 2)
    pointed_cloud.until(lambda: not pointed_cloud.backend.get_instance(first).image_in_progress)
    point(pointed_cloud, image_id)
    end(pointed_cloud, first)
    (second,) = wait_until_in_service(pointed_cloud, without=first)
    assert pointed_cloud.until_state(second, "running")["ImageId"] == image_id
    assert pointed_cloud.until_state(first, "terminated")["ImageId"] == pointed_cloud.base
    pointed_cloud.until(lambda: len(get_group(pointed_cloud).instance_states) == 1)
    assert machine.destroyed


def test_an_impaired_machine_is_replaced_after_the_grace_period(
    pointed_cloud: CloudFixture,
) -> None:
    group(pointed_cloud, HealthCheckGracePeriod=3600)
    (first,) = wait_until_in_service(pointed_cloud)
    pointed_cloud.hypervisor.machines[first].panic()
    # Every request makes the group look at its members.
    assert describe_group(pointed_cloud)["Instances"][0]["HealthStatus"] == "Healthy"
    pointed_cloud.client("autoscaling").update_auto_scaling_group(
        AutoScalingGroupName="builders", HealthCheckGracePeriod=0
    )
    wait_until_in_service(pointed_cloud, without=first)


def test_an_image_in_progress_is_not_a_failure(pointed_cloud: CloudFixture) -> None:
    group(pointed_cloud)
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


def test_failed_launches_are_recorded_and_repeated_with_growing_pauses(
    pointed_cloud: CloudFixture,
) -> None:
    point(pointed_cloud, "ami-0123456789abcdef0")
    group(pointed_cloud)
    pointed_cloud.until(lambda: get_group(pointed_cloud).consecutive_failures >= 4)
    failed = activities(pointed_cloud)[-1]
    assert failed["StatusCode"] == "Failed"
    assert failed["StatusMessage"] == (
        "The image id '[ami-0123456789abcdef0]' does not exist. Launching EC2 instance failed."
    )
    assert "EndTime" in failed
    assert describe_group(pointed_cloud)["Instances"] == []
    point(pointed_cloud, pointed_cloud.base)
    wait_until_in_service(pointed_cloud)
    assert activities(pointed_cloud)[0]["StatusCode"] == "Successful"
    assert get_group(pointed_cloud).consecutive_failures == 0


def test_the_pause_after_a_failure_doubles_up_to_its_limit(pointed_cloud: CloudFixture) -> None:
    from amikiln_localcloud.api.cloud import Timeouts

    point(pointed_cloud, "ami-0123456789abcdef0")
    group(pointed_cloud, size=0)
    timeouts = Timeouts(relaunch_first=5, relaunch_longest=60)
    with pointed_cloud.cloud.lock:
        one = get_group(pointed_cloud)
        one.desired_capacity = 1
        now, pauses = 1e9, []
        for _ in range(6):
            one.reconcile(now, timeouts)
            assert not one.reconcile(now + 1, timeouts), "tried again too early"
            pauses.append(one.next_launch - now)
            now = one.next_launch
        one.desired_capacity = 0
    assert pauses == [5, 10, 20, 40, 60, 60]


def test_a_machine_that_fails_to_start_counts_as_a_failed_launch(
    pointed_cloud: CloudFixture,
) -> None:
    pointed_cloud.hypervisor.fail_next("start", "QEMU said no", times=2)
    group(pointed_cloud)
    wait_until_in_service(pointed_cloud)
    outcomes = [one["StatusCode"] for one in activities(pointed_cloud)]
    assert outcomes == ["Successful", "Failed", "Failed"]
    assert "QEMU said no" in activities(pointed_cloud)[-1]["StatusMessage"]


def test_capacity_grows_and_shrinks(pointed_cloud: CloudFixture) -> None:
    autoscaling = pointed_cloud.client("autoscaling")
    group(pointed_cloud, size=1)
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
    group(pointed_cloud, size=2)
    first, second = wait_until_in_service(pointed_cloud, 2)
    autoscaling.terminate_instance_in_auto_scaling_group(
        InstanceId=first, ShouldDecrementDesiredCapacity=True
    )
    assert wait_until_in_service(pointed_cloud, 1) == [second]
    assert describe_group(pointed_cloud)["DesiredCapacity"] == 1


def test_only_an_empty_group_is_deleted_unless_forced(pointed_cloud: CloudFixture) -> None:
    autoscaling = pointed_cloud.client("autoscaling")
    group(pointed_cloud)
    (first,) = wait_until_in_service(pointed_cloud)
    with pytest.raises(ClientError) as error:
        autoscaling.delete_auto_scaling_group(AutoScalingGroupName="builders")
    assert error.value.response["Error"]["Code"] == "ResourceInUse"
    autoscaling.delete_auto_scaling_group(AutoScalingGroupName="builders", ForceDelete=True)
    pointed_cloud.until_state(first, "terminated")
    assert autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"] == []


def test_a_suspended_launch_waits(pointed_cloud: CloudFixture) -> None:
    autoscaling = pointed_cloud.client("autoscaling")
    group(pointed_cloud, size=0)
    autoscaling.suspend_processes(AutoScalingGroupName="builders", ScalingProcesses=["Launch"])
    autoscaling.set_desired_capacity(AutoScalingGroupName="builders", DesiredCapacity=1)
    assert describe_group(pointed_cloud)["Instances"] == []
    autoscaling.resume_processes(AutoScalingGroupName="builders", ScalingProcesses=["Launch"])
    wait_until_in_service(pointed_cloud)
    assert len(pointed_cloud.hypervisor.machines) == 1


def test_names_and_sizes_are_checked(pointed_cloud: CloudFixture) -> None:
    autoscaling = pointed_cloud.client("autoscaling")
    group(pointed_cloud, size=0)
    policy = {"LaunchTemplate": {"LaunchTemplateName": "builders"}}
    with pytest.raises(ClientError) as error:
        group(pointed_cloud, **policy)
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
    group(pointed_cloud, InstanceId=model)
    (instance_id,) = wait_until_in_service(pointed_cloud)
    instance = pointed_cloud.until_state(instance_id, "running")
    assert instance_id != model
    assert (instance["ImageId"], instance["InstanceType"]) == (pointed_cloud.base, "t3.medium")
    assert instance["KeyName"] == "builders"
    with pytest.raises(ClientError) as error:
        group(pointed_cloud, name="another", InstanceId="i-0123456789abcdef0")
    assert error.value.response["Error"]["Code"] == "ValidationError"


def test_a_group_has_one_source_of_launches(pointed_cloud: CloudFixture) -> None:
    both = {"LaunchTemplate": {"LaunchTemplateId": template(pointed_cloud)}, "InstanceId": "i-1"}
    for sources in ({"LaunchTemplate": {}, "MixedInstancesPolicy": {}}, both):
        with pytest.raises(ClientError) as error:
            group(pointed_cloud, **sources)
        assert error.value.response["Error"]["Code"] == "ValidationError"
    groups = pointed_cloud.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert groups == []


def test_a_mixed_instances_policy_is_followed_and_kept(pointed_cloud: CloudFixture) -> None:
    autoscaling = pointed_cloud.client("autoscaling")
    template(pointed_cloud)
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateName": "builders", "Version": "$Latest"},
            "Overrides": [{"InstanceType": "t3.unheard-of"}, {"InstanceType": "t3.medium"}],
        },
        "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 100},
    }
    group(pointed_cloud, MixedInstancesPolicy=policy)
    (first,) = wait_until_in_service(pointed_cloud)
    assert pointed_cloud.until_state(first, "running")["InstanceType"] == "t3.medium"
    assert "LaunchTemplate" not in describe_group(pointed_cloud)
    autoscaling.update_auto_scaling_group(AutoScalingGroupName="builders", DesiredCapacity=2)
    wait_until_in_service(pointed_cloud, 2)
    kept = describe_group(pointed_cloud)["MixedInstancesPolicy"]
    types = [one["InstanceType"] for one in kept["LaunchTemplate"]["Overrides"]]
    assert types == ["t3.unheard-of", "t3.medium"]


def test_a_new_template_version_is_used_when_the_pointer_moves(pointed_cloud: CloudFixture) -> None:
    group(pointed_cloud)
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
