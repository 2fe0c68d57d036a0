"""Both example stacks with machines that really boot; the rest is tested with fake machines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vm.guests import BOOT_SECONDS
from vm.local_cloud import LocalCloud

pytestmark = pytest.mark.vm

EXAMPLES = Path(__file__).parent.parent.parent / "cloudformation"
# Not the example's own: that is the pointer of the runs that share this cloud.
POINTER = "/stacks/builders"
FOLLOWING = "following"
RESOLVED = "resolved"


class Fleets:
    """Both stacks, with one machine each, and a second image."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        (base,) = cloud.ec2.describe_images(
            Filters=[{"Name": "name", "Values": ["amikiln-base-*"]}]
        )["Images"]
        self.base: str = base["ImageId"]
        self.newer: str = cloud.ec2.copy_image(
            Name="of-stacks", SourceImageId=self.base, SourceRegion="us-east-1"
        )["ImageId"]
        cloud.waiter.until(self._is_copied, what="the image is copied", deadline_seconds=120)
        self.publish(self.base)
        self._create(FOLLOWING, "follow-parameter.yml", InstanceTypes="t3.small")
        self._create(RESOLVED, "resolve-at-update.yml", InstanceType="t3.small")

    def publish(self, image_id: str) -> None:
        self.cloud.ssm.put_parameter(Name=POINTER, Value=image_id, Type="String", Overwrite=True)

    def machine(self, stack: str, *, without: str = "", booted: bool = False) -> dict[str, Any]:
        """Wait for a stack's machine that is another one, running or even booted."""

        def found() -> dict[str, Any] | None:
            for instance in self._members(stack):
                instance_id = instance["InstanceId"]
                if instance_id == without or instance["LifecycleState"] != "InService":
                    continue
                (status,) = self.cloud.ec2.describe_instance_status(InstanceIds=[instance_id])[
                    "InstanceStatuses"
                ]
                if not booted or status["InstanceStatus"]["Status"] == "ok":
                    return self._described(instance_id)
            return None

        return self.cloud.waiter.until(
            found, what=f"a machine of {stack}", deadline_seconds=2 * BOOT_SECONDS
        )

    def end(self, machine: dict[str, Any]) -> str:
        """End a machine as its job does, and return its id."""
        instance_id: str = machine["InstanceId"]
        self.cloud.ec2.terminate_instances(InstanceIds=[instance_id])
        return instance_id

    def delete(self) -> None:
        """Delete both stacks, and wait until their machines have ended."""
        left = [one["InstanceId"] for name in (FOLLOWING, RESOLVED) for one in self._members(name)]
        for name in (FOLLOWING, RESOLVED):
            self.cloud.cloudformation.delete_stack(StackName=name)
        self.cloud.waiter.until(
            lambda: (
                all(self._described(one)["State"]["Name"] == "terminated" for one in left) or None
            ),
            what="the stacks' machines have ended",
            deadline_seconds=60,
        )
        self.cloud.ec2.deregister_image(ImageId=self.newer)

    def _create(self, name: str, example: str, **parameters: str) -> None:
        subnet = self.cloud.ec2.describe_subnets()["Subnets"][0]
        (group,) = self.cloud.ec2.describe_security_groups(
            Filters=[
                {"Name": "group-name", "Values": ["default"]},
                {"Name": "vpc-id", "Values": [subnet["VpcId"]]},
            ]
        )["SecurityGroups"]
        parameters |= {
            "Subnets": subnet["SubnetId"],
            "SecurityGroups": group["GroupId"],
            "MinSize": "1",
        }
        text = (EXAMPLES / example).read_text()
        self.cloud.cloudformation.create_stack(
            StackName=name,
            TemplateBody=text.replace("/buildkite/cpu-build-ami/us-east-1", POINTER),
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        )
        self.cloud.cloudformation.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 2, "MaxAttempts": 300}
        )

    def _is_copied(self) -> bool | None:
        (image,) = self.cloud.ec2.describe_images(ImageIds=[self.newer])["Images"]
        return image["State"] == "available" or None

    def _members(self, stack: str) -> list[dict[str, Any]]:
        group = self.cloud.cloudformation.describe_stack_resource(
            StackName=stack, LogicalResourceId="Group"
        )["StackResourceDetail"]["PhysicalResourceId"]
        (found,) = self.cloud.autoscaling.describe_auto_scaling_groups(
            AutoScalingGroupNames=[group]
        )["AutoScalingGroups"]
        members: list[dict[str, Any]] = found["Instances"]
        return members

    def _described(self, instance_id: str) -> dict[str, Any]:
        found = self.cloud.ec2.describe_instances(InstanceIds=[instance_id])
        instance: dict[str, Any] = found["Reservations"][0]["Instances"][0]
        return instance


@pytest.fixture
def fleets(local_cloud: LocalCloud) -> Iterator[Fleets]:
    found = Fleets(local_cloud)
    yield found
    found.delete()


def test_one_follows_the_parameter_and_one_the_updates_of_its_stack(fleets: Fleets) -> None:
    # Both boot at once, which takes hardly longer than one.
    following = fleets.machine(FOLLOWING, booted=True)
    resolved = fleets.machine(RESOLVED, booted=True)
    assert following["ImageId"] == resolved["ImageId"] == fleets.base

    fleets.publish(fleets.newer)
    ended = fleets.end(following)
    assert fleets.machine(FOLLOWING, without=ended, booted=True)["ImageId"] == fleets.newer
    ended = fleets.end(resolved)
    second = fleets.machine(RESOLVED, without=ended)
    assert second["ImageId"] == fleets.base

    update = [{"ParameterKey": "Release", "ParameterValue": "2"}]
    kept = ["InstanceType", "Subnets", "SecurityGroups", "MinSize"]
    fleets.cloud.cloudformation.update_stack(
        StackName=RESOLVED,
        UsePreviousTemplate=True,
        Parameters=[*update, *({"ParameterKey": name, "UsePreviousValue": True} for name in kept)],
    )
    assert fleets.machine(RESOLVED)["InstanceId"] == second["InstanceId"]
    ended = fleets.end(second)
    third = fleets.machine(RESOLVED, without=ended)
    assert third["ImageId"] == fleets.newer
