"""Stacks on the local cloud's real server: made, updated, and looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from localcloud.fixture import CloudFixture

EXAMPLES = Path(__file__).parent.parent.parent / "cloudformation"
POINTER = "/buildkite/cpu-build-ami/us-east-1"


class StackFixture:
    """One stack of a local cloud.

    Attributes:
        cloud: The cloud.
        name: The stack's name.
    """

    def __init__(self, cloud: CloudFixture, name: str = "fleet") -> None:
        self.cloud = cloud
        self.name = name
        self.client: Any = cloud.client("cloudformation")

    def create(self, template: str, **parameters: str) -> dict[str, Any]:
        """Create the stack, and return what DescribeStacks says of it."""
        self.client.create_stack(
            StackName=self.name, TemplateBody=template, Parameters=as_list(parameters)
        )
        return self.describe()

    def update(self, template: str | None = None, **parameters: str) -> dict[str, Any]:
        """Update the stack, by default with the template that it has."""
        body: dict[str, Any] = {"TemplateBody": template} if template else {}
        body = body or {"UsePreviousTemplate": True}
        known = {one["ParameterKey"] for one in self.describe().get("Parameters", [])}
        kept = [
            {"ParameterKey": name, "UsePreviousValue": True} for name in known - set(parameters)
        ]
        self.client.update_stack(
            StackName=self.name, Parameters=[*as_list(parameters), *kept], **body
        )
        return self.describe()

    def describe(self) -> dict[str, Any]:
        (found,) = self.client.describe_stacks(StackName=self.name)["Stacks"]
        return found  # type: ignore[no-any-return]

    def events(self) -> list[tuple[str, str, str]]:
        """Return what happened, the oldest first: resource, status, reason."""
        found = self.client.describe_stack_events(StackName=self.name)["StackEvents"]
        return [
            (one["LogicalResourceId"], one["ResourceStatus"], one.get("ResourceStatusReason", ""))
            for one in reversed(found)
        ]

    def physical_id(self, logical_id: str) -> str:
        """Return the physical id of one of the stack's resources."""
        found = self.client.describe_stack_resource(
            StackName=self.name, LogicalResourceId=logical_id
        )
        physical_id: str = found["StackResourceDetail"]["PhysicalResourceId"]
        return physical_id

    def template_data(self, version: str = "$Latest") -> dict[str, Any]:
        """Return a version of the launch template that the stack calls ``Template``."""
        (found,) = self.cloud.client("ec2").describe_launch_template_versions(
            LaunchTemplateId=self.physical_id("Template"), Versions=[version]
        )["LaunchTemplateVersions"]
        data: dict[str, Any] = found["LaunchTemplateData"]
        return data

    def machine(self, without: str = "") -> dict[str, Any]:
        """Wait until the stack's ``Group`` has one member in service that is another one."""
        group = self.cloud.autoscaling_backend.autoscaling_groups[self.physical_id("Group")]

        def ids() -> list[str]:
            return [
                member.instance.id
                for member in group.instance_states
                if member.lifecycle_state == "InService"
            ]

        self.cloud.until(lambda: len(ids()) == 1 and without not in ids(), "a member in service")
        return self.cloud.until_state(ids()[0], "running")


def as_list(parameters: dict[str, str]) -> list[dict[str, Any]]:
    return [{"ParameterKey": name, "ParameterValue": text} for name, text in parameters.items()]


def put(cloud: CloudFixture, value: str, name: str = POINTER, **options: Any) -> None:
    asked = {"Type": "String", "Overwrite": True, **options}
    cloud.client("ssm").put_parameter(Name=name, Value=value, **asked)


def network(cloud: CloudFixture) -> dict[str, str]:
    """Return the parameters of the example stacks that say where machines are."""
    ec2 = cloud.client("ec2")
    subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]]
    groups = [one["GroupId"] for one in ec2.describe_security_groups()["SecurityGroups"]]
    return {"Subnets": ",".join(subnets[:2]), "SecurityGroups": groups[0]}
