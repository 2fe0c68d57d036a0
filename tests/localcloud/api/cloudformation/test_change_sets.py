"""Change sets: what ``aws cloudformation deploy`` makes and executes."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.stack_templates import list_names, parameter, template, value_of
from localcloud.stacks import StackFixture, as_list, put


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
    assert list_names(stack.cloud) == set()
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
