"""Stacks: what an update changes, and what is left when something fails."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.fixture import CloudFixture
from localcloud.stacks import StackFixture, as_list, put

KIND = "AWS::SSM::Parameter"


def parameter(value: Any, **more: Any) -> dict[str, Any]:
    return {"Type": KIND, "Properties": {"Type": "String", "Value": value}, **more}


def template(**resources: Any) -> str:
    sections = {key: resources.pop(key) for key in ("Parameters", "Outputs") if key in resources}
    return json.dumps({"Resources": resources, **sections})


def fleet(**properties: Any) -> dict[str, Any]:
    """Return a launch template with a group of one machine."""
    data = {"ImageId": "resolve:ssm:/image", "InstanceType": "t3.small"}
    return {
        "Template": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {"LaunchTemplateData": {**data, **properties}},
        },
        "Group": {
            "Type": "AWS::AutoScaling::AutoScalingGroup",
            "Properties": {
                "AvailabilityZones": ["us-east-1a"],
                "MinSize": "1",
                "MaxSize": "2",
                "LaunchTemplate": {
                    "LaunchTemplateId": {"Ref": "Template"},
                    "Version": {"Fn::GetAtt": ["Template", "LatestVersionNumber"]},
                },
            },
        },
    }


@pytest.fixture
def stack(cloud: CloudFixture) -> StackFixture:
    put(cloud, cloud.base, "/image")
    return StackFixture(cloud)


def value_of(stack: StackFixture, logical_id: str) -> str:
    found = stack.cloud.client("ssm").get_parameter(Name=stack.physical_id(logical_id))
    value: str = found["Parameter"]["Value"]
    return value


def names(cloud: CloudFixture) -> set[str]:
    found = cloud.client("ssm").describe_parameters()["Parameters"]
    return {one["Name"] for one in found} - {"/image"}


def test_what_depends_on_a_change_is_updated_too(stack: StackFixture) -> None:
    stack.create(template(**fleet()))
    first = stack.machine()
    group = stack.physical_id("Group")
    stack.update(template(**fleet(InstanceType="t3.medium")))
    updated = [name for name, status, _ in stack.events() if status == "UPDATE_COMPLETE"]
    assert updated == ["Template", "Group", "fleet"]
    assert stack.physical_id("Group") == group
    # The group is the same one, and its machine goes on.
    assert stack.machine()["InstanceId"] == first["InstanceId"]
    stack.cloud.client("ec2").terminate_instances(InstanceIds=[first["InstanceId"]])
    assert stack.machine(without=first["InstanceId"])["InstanceType"] == "t3.medium"


def test_numbers_in_a_parameter_are_text_and_survive_a_restart(stack: StackFixture) -> None:
    numbers = {"Name": "/number", "Description": 1, "AllowedPattern": 17, "Tags": {"a": 2}}
    one = parameter(17)
    stack.create(template(One={**one, "Properties": {**one["Properties"], **numbers}}))
    for _ in range(2):
        ssm = stack.cloud.client("ssm")
        (version,) = ssm.get_parameter_history(Name="/number")["Parameters"]
        assert (version["Value"], version["Description"]) == ("17", "1")
        assert version["AllowedPattern"] == "17"
        tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/number")
        assert {"Key": "a", "Value": "2"} in tags["TagList"]
        stack.cloud.restart()


def test_what_changed_outside_of_the_stack_is_no_update(stack: StackFixture) -> None:
    stack.create(template(Other=parameter("a"), **fleet()))
    stack.cloud.client("ec2").create_launch_template_version(
        LaunchTemplateId=stack.physical_id("Template"),
        LaunchTemplateData={"ImageId": "resolve:ssm:/image", "InstanceType": "t3.large"},
    )
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stack.update()
    stack.update(template(Other=parameter("b"), **fleet()))
    updated = [name for name, status, _ in stack.events() if status == "UPDATE_COMPLETE"]
    assert updated == ["Other", "fleet"]
    assert stack.machine()["InstanceType"] == "t3.small"


@pytest.mark.parametrize("region", ["", {"Ref": "AWS::Region"}, "us-east-1"])
def test_a_group_takes_every_zone(stack: StackFixture, region: Any) -> None:
    resources = fleet()
    resources["Group"]["Properties"]["AvailabilityZones"] = {"Fn::GetAZs": region}
    stack.create(template(**resources))
    zones = stack.cloud.client("ec2").describe_availability_zones()["AvailabilityZones"]
    (group,) = stack.cloud.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert group["AvailabilityZones"] == [zone["ZoneName"] for zone in zones]


def test_a_group_is_updated_in_place(stack: StackFixture) -> None:
    resources = fleet()
    properties = resources["Group"]["Properties"]
    properties["Tags"] = [{"Key": "queue", "Value": "cpu", "PropagateAtLaunch": True}]
    stack.create(template(**resources))
    first = stack.machine()
    tags = {tag["Key"]: tag["Value"] for tag in first["Tags"]}
    assert tags["queue"] == "cpu"
    assert tags["aws:cloudformation:stack-name"] == "fleet"
    assert tags["aws:cloudformation:logical-id"] == "Group"

    properties |= {"MaxSize": "5", "HealthCheckGracePeriod": 77}
    properties["Tags"] = [{"Key": "queue", "Value": "gpu", "PropagateAtLaunch": True}]
    stack.update(template(**resources))
    (group,) = stack.cloud.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert (group["MinSize"], group["MaxSize"]) == (1, 5)
    assert group["DesiredCapacity"] == 1
    assert group["HealthCheckGracePeriod"] == 77
    tags = {tag["Key"]: tag["Value"] for tag in group["Tags"]}
    assert tags["queue"] == "gpu"
    assert tags["aws:cloudformation:stack-name"] == "fleet"
    assert [one["InstanceId"] for one in group["Instances"]] == [first["InstanceId"]]


@pytest.mark.parametrize(
    ("name", "value"), [("AutoScalingGroupName", "other"), ("MaxInstanceLifetime", 86400)]
)
def test_what_a_group_cannot_do_fails_the_update(
    stack: StackFixture, name: str, value: Any
) -> None:
    stack.create(template(**fleet()))
    machine = stack.machine()
    resources = fleet(InstanceType="t3.medium")
    resources["Group"]["Properties"][name] = value
    failed = stack.update(template(**resources))
    assert failed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "[Group]" in failed["StackStatusReason"]
    # What was changed before the failure is changed back, as a version of its own.
    assert stack.template_data()["InstanceType"] == "t3.small"
    assert stack.machine()["InstanceId"] == machine["InstanceId"]
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stack.update()


def test_an_update_adds_removes_and_changes(stack: StackFixture) -> None:
    stack.create(template(Kept=parameter("a"), Gone=parameter("b")))
    kept, gone = stack.physical_id("Kept"), stack.physical_id("Gone")
    made = stack.update(template(Kept=parameter("a"), New=parameter({"Ref": "Kept"})))
    assert made["StackStatus"] == "UPDATE_COMPLETE"
    assert value_of(stack, "New") == kept
    assert names(stack.cloud) == {kept, stack.physical_id("New")}
    assert gone not in names(stack.cloud)
    assert ("Gone", "DELETE_COMPLETE", "") in stack.events()


@pytest.mark.parametrize("with_parameters", [True, False])
def test_an_update_that_changes_nothing_is_refused(
    stack: StackFixture, with_parameters: bool
) -> None:
    slots = {"Text": {"Type": "String", "Default": "a"}} if with_parameters else {}
    text = template(One=parameter({"Ref": "Text"} if slots else "a"), Parameters=slots)
    stack.create(text)
    # Written otherwise, it says the same.
    for again in (None, text, json.dumps(json.loads(text), indent=4)):
        with pytest.raises(ClientError) as error:
            stack.update(again)
        answer = error.value.response["Error"]
        assert (answer["Code"], answer["Message"]) == (
            "ValidationError",
            "No updates are to be performed.",
        )
    assert stack.describe()["StackStatus"] == "CREATE_COMPLETE"


def test_a_failed_creation_leaves_nothing(stack: StackFixture) -> None:
    resources = fleet()
    resources["Group"]["Properties"]["VPCZoneIdentifier"] = ["subnet-0123456789abcdef0"]
    failed = stack.create(template(Before=parameter("a"), **resources))
    assert failed["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "[Group]" in failed["StackStatusReason"]
    assert "subnet-0123456789abcdef0" in failed["StackStatusReason"]
    assert names(stack.cloud) == set()
    assert stack.cloud.client("ec2").describe_launch_templates()["LaunchTemplates"] == []
    (why,) = [why for name, status, why in stack.events() if status == "CREATE_FAILED"]
    assert "subnet-0123456789abcdef0" in why
    with pytest.raises(ClientError, match="ROLLBACK_COMPLETE state and can not be updated"):
        stack.update(template(Before=parameter("b")))
    stack.client.delete_stack(StackName="fleet")
    assert stack.create(template(**fleet()))["StackStatus"] == "CREATE_COMPLETE"


def test_a_failed_update_takes_all_back(stack: StackFixture) -> None:
    before = template(One=parameter("a"), Two=parameter("b"))
    stack.create(before)
    had = names(stack.cloud)
    # Two changes, one is added, and the added group cannot be made.
    resources = {"One": parameter("c"), "Two": parameter("b"), "New": parameter("d")}
    broken = {"Type": "AWS::AutoScaling::AutoScalingGroup", "DependsOn": ["One", "New"]}
    failed = stack.update(template(**resources, Group=broken))
    assert failed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "[Group]" in failed["StackStatusReason"]
    assert (value_of(stack, "One"), value_of(stack, "Two")) == ("a", "b")
    assert len(names(stack.cloud)) == len(had)
    assert stack.client.get_template(StackName="fleet")["TemplateBody"] == json.loads(before)
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stack.update(before)
    again = stack.update(template(One=parameter("e"), Two=parameter("b")))
    assert again["StackStatus"] == "UPDATE_COMPLETE"
    assert value_of(stack, "One") == "e"


@pytest.mark.parametrize("option", [{"DisableRollback": True}, {"OnFailure": "DO_NOTHING"}])
def test_other_ways_to_fail_are_refused(stack: StackFixture, option: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="always rolls back"):
        stack.client.create_stack(
            StackName="fleet", TemplateBody=template(One=parameter("a")), **option
        )


def test_a_stack_tags_what_it_makes(stack: StackFixture) -> None:
    stack.client.create_stack(
        StackName="fleet",
        TemplateBody=template(**fleet()),
        Tags=[{"Key": "team", "Value": "ci"}],
    )
    tags = {tag["Key"]: tag["Value"] for tag in stack.machine()["Tags"]}
    assert tags["team"] == "ci"
    found = stack.cloud.client("ec2").describe_tags(
        Filters=[{"Name": "resource-id", "Values": [stack.physical_id("Template")]}]
    )["Tags"]
    tags = {tag["Key"]: tag["Value"] for tag in found}
    assert (tags["team"], tags["aws:cloudformation:logical-id"]) == ("ci", "Template")


def test_a_stack_is_deleted_with_what_it_made(stack: StackFixture) -> None:
    stack.create(
        template(
            One=parameter("a"),
            Two=parameter({"Ref": "One"}),
            Kept=parameter("k", DeletionPolicy="Retain"),
        )
    )
    kept = stack.physical_id("Kept")
    stack.client.delete_stack(StackName="fleet")
    assert names(stack.cloud) == {kept}
    assert stack.client.describe_stacks()["Stacks"] == []


def test_a_stack_that_cannot_be_deleted_stays(stack: StackFixture) -> None:
    stack.create(template(**fleet()))
    machine = stack.machine()
    stack.cloud.client("ec2").delete_launch_template(LaunchTemplateId=stack.physical_id("Template"))
    stack.client.delete_stack(StackName="fleet")
    left = stack.describe()
    assert left["StackStatus"] == "DELETE_FAILED"
    assert "[Template]" in left["StackStatusReason"]
    stack.cloud.until_state(machine["InstanceId"], "terminated")


def test_outputs_and_exports(stack: StackFixture) -> None:
    one = {"Name": {"Value": {"Ref": "One"}, "Export": {"Name": "shared"}}}
    made = stack.create(template(One=parameter("a"), Outputs=one))
    (output,) = made["Outputs"]
    assert output["OutputValue"] == stack.physical_id("One")
    other = StackFixture(stack.cloud, "other")
    other.create(template(Two=parameter({"Fn::ImportValue": "shared"})))
    assert value_of(other, "Two") == stack.physical_id("One")
    stack.client.delete_stack(StackName="fleet")
    assert stack.client.list_exports()["Exports"] == []


class ChangeSets:
    """What ``aws cloudformation deploy`` does."""

    def __init__(self, stack: StackFixture) -> None:
        self.stack, self.count = stack, 0

    def prepare(self, text: str, kind: str, **parameters: str) -> dict[str, Any]:
        self.count += 1
        made = self.stack.client.create_change_set(
            StackName="fleet",
            ChangeSetName=f"change{self.count}",
            TemplateBody=text,
            ChangeSetType=kind,
            Parameters=as_list(parameters),
        )
        found: dict[str, Any] = self.stack.client.describe_change_set(ChangeSetName=made["Id"])
        return found

    def execute(self, change_set: dict[str, Any]) -> str:
        self.stack.client.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
        status: str = self.stack.describe()["StackStatus"]
        return status


def actions(change_set: dict[str, Any]) -> set[tuple[str, str]]:
    changes = [one["ResourceChange"] for one in change_set["Changes"]]
    return {(one["Action"], one["LogicalResourceId"]) for one in changes}


def test_change_sets_make_and_update_a_stack(stack: StackFixture) -> None:
    change_sets = ChangeSets(stack)
    slots = {"Image": {"Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"}}
    text = template(
        One=parameter({"Ref": "Image"}),
        Two=parameter("{{resolve:ssm:/image}}"),
        Parameters=slots,
    )
    create = change_sets.prepare(text, "CREATE", Image="/image")
    assert actions(create) == {("Add", "One"), ("Add", "Two")}
    assert names(stack.cloud) == set()
    assert change_sets.execute(create) == "CREATE_COMPLETE"
    with pytest.raises(ClientError, match="cannot be executed"):
        change_sets.execute(create)

    nothing = change_sets.prepare(text, "UPDATE", Image="/image")
    assert nothing["Status"] == "FAILED"
    assert "didn't contain changes" in nothing["StatusReason"]

    put(stack.cloud, "ami-0123456789abcdef0", "/image")
    update = change_sets.prepare(text, "UPDATE", Image="/image")
    assert (update["Status"], actions(update)) == ("CREATE_COMPLETE", {("Modify", "One")})
    assert change_sets.execute(update) == "UPDATE_COMPLETE"
    assert value_of(stack, "One") == "ami-0123456789abcdef0"
    assert value_of(stack, "Two") == stack.cloud.base


def test_a_change_set_of_what_is_not_usable_leaves_no_stack(stack: StackFixture) -> None:
    change_sets = ChangeSets(stack)
    with pytest.raises(ClientError, match=r"\[ssm:/nobody\] cannot be found"):
        change_sets.prepare(template(One=parameter("{{resolve:ssm:/nobody}}")), "CREATE")
    assert stack.client.describe_stacks()["Stacks"] == []
    change_sets.prepare(template(One=parameter("a")), "CREATE")
    again = change_sets.prepare(template(One=parameter("b")), "CREATE")
    assert change_sets.execute(again) == "CREATE_COMPLETE"
    with pytest.raises(ClientError, match="already exists"):
        change_sets.prepare(template(One=parameter("b")), "CREATE")
