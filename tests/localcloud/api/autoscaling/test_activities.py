"""Launches of a group are recorded, and failed ones are repeated with growing pauses."""

from __future__ import annotations

from localcloud.fixture import CloudFixture
from localcloud.groups import (
    create_group,
    describe_group,
    get_group,
    list_activities,
    wait_until_in_service,
)
from localcloud.stacks import put


def test_a_machine_is_pending_until_it_runs(pointed_cloud: CloudFixture) -> None:
    pointed_cloud.hypervisor.hold("start")
    create_group(pointed_cloud)
    pointed_cloud.until(lambda: len(get_group(pointed_cloud).instance_states) == 1)
    assert describe_group(pointed_cloud)["Instances"][0]["LifecycleState"] == "Pending"
    assert list_activities(pointed_cloud)[0]["StatusCode"] == "InProgress"
    pointed_cloud.hypervisor.release("start")
    wait_until_in_service(pointed_cloud)
    assert list_activities(pointed_cloud)[0]["StatusCode"] == "Successful"


def test_failed_launches_are_recorded_and_repeated_with_growing_pauses(
    pointed_cloud: CloudFixture,
) -> None:
    create_group(pointed_cloud, size=0)
    put(pointed_cloud, "ami-0123456789abcdef0")
    pointed_cloud.client("autoscaling").set_desired_capacity(
        AutoScalingGroupName="builders", DesiredCapacity=1
    )
    pointed_cloud.until(lambda: get_group(pointed_cloud).consecutive_failures >= 4)
    failed = list_activities(pointed_cloud)[-1]
    assert failed["StatusCode"] == "Failed"
    assert failed["StatusMessage"] == (
        "The image id '[ami-0123456789abcdef0]' does not exist. Launching EC2 instance failed."
    )
    assert "EndTime" in failed
    assert describe_group(pointed_cloud)["Instances"] == []
    put(pointed_cloud, pointed_cloud.base)
    wait_until_in_service(pointed_cloud)
    assert list_activities(pointed_cloud)[0]["StatusCode"] == "Successful"
    assert get_group(pointed_cloud).consecutive_failures == 0


def test_the_pause_after_a_failure_doubles_up_to_its_limit(pointed_cloud: CloudFixture) -> None:
    from amikiln_localcloud.api.cloud import Timeouts

    create_group(pointed_cloud, size=0)
    put(pointed_cloud, "ami-0123456789abcdef0")
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
    create_group(pointed_cloud)
    wait_until_in_service(pointed_cloud)
    outcomes = [one["StatusCode"] for one in list_activities(pointed_cloud)]
    assert outcomes == ["Successful", "Failed", "Failed"]
    assert "QEMU said no" in list_activities(pointed_cloud)[-1]["StatusMessage"]
