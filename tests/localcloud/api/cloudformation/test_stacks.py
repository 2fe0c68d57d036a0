"""Stacks: what an update changes, and what is left when something fails."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.stack_templates import fleet, list_names, parameter, template, value_of
from localcloud.stacks import StackFixture


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


def test_an_update_adds_removes_and_changes(stack: StackFixture) -> None:
    stack.create(template(Kept=parameter("a"), Gone=parameter("b")))
    kept, gone = stack.physical_id("Kept"), stack.physical_id("Gone")
    made = stack.update(template(Kept=parameter("a"), New=parameter({"Ref": "Kept"})))
    assert made["StackStatus"] == "UPDATE_COMPLETE"
    assert value_of(stack, "New") == kept
    assert list_names(stack.cloud) == {kept, stack.physical_id("New")}
    assert gone not in list_names(stack.cloud)
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
    assert list_names(stack.cloud) == set()
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
    had = list_names(stack.cloud)
    # Two changes, one is added, and the added group cannot be made.
    resources = {"One": parameter("c"), "Two": parameter("b"), "New": parameter("d")}
    broken = {"Type": "AWS::AutoScaling::AutoScalingGroup", "DependsOn": ["One", "New"]}
    failed = stack.update(template(**resources, Group=broken))
    assert failed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "[Group]" in failed["StackStatusReason"]
    assert (value_of(stack, "One"), value_of(stack, "Two")) == ("a", "b")
    assert len(list_names(stack.cloud)) == len(had)
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
    assert list_names(stack.cloud) == {kept}
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
