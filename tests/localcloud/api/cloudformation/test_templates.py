"""Stacks' templates: how they are read, what is refused, and what their parameters may be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.fixture import CloudFixture
from localcloud.stacks import StackFixture, put

KIND = "AWS::SSM::Parameter"


def one(value: Any = "a", **more: Any) -> dict[str, Any]:
    return {"Type": KIND, "Properties": {"Type": "String", "Value": value}, **more}


def template(parameters: dict[str, Any] | None = None, **resources: Any) -> str:
    return json.dumps({"Parameters": parameters or {}, "Resources": resources})


@pytest.fixture
def stack(cloud: CloudFixture) -> StackFixture:
    return StackFixture(cloud)


def value(stack: StackFixture, logical_id: str = "One") -> str:
    found = stack.cloud.client("ssm").get_parameter(Name=stack.physical_id(logical_id))
    text: str = found["Parameter"]["Value"]
    return text


def expect_refusal(stack: StackFixture, text: str, message: str, **parameters: str) -> None:
    with pytest.raises(ClientError, match=message) as error:
        stack.create(text, **parameters)
    assert error.value.response["Error"]["Code"] == "ValidationError"
    assert stack.client.describe_stacks()["Stacks"] == []


SHORT_FUNCTIONS = """
AWSTemplateFormatVersion: 2010-09-09
Conditions:
  Always: !Equals [a, a]
  Never: !Not [!Condition Always]
Resources:
  One:
    Type: AWS::SSM::Parameter
    Properties:
      Type: String
      Value: !Base64
        Fn::Sub: 2020-01-01 in ${AWS::Region}
  Two:
    Type: AWS::SSM::Parameter
    Properties:
      Type: String
      Value: 2020-01-01
      Description: !If
        - Always
        - !Sub
          - "${What} of ${One}"
          - What: !Select [1, [zero, !Join ["-", [one, two]]]]
        - !Ref AWS::NoValue
  Three:
    Condition: Never
    Type: AWS::SSM::Parameter
"""


def test_yaml_is_read_as_cloudformation_reads_it(stack: StackFixture) -> None:
    assert stack.create(SHORT_FUNCTIONS)["StackStatus"] == "CREATE_COMPLETE"
    assert value(stack) == "MjAyMC0wMS0wMSBpbiB1cy1lYXN0LTE="
    assert value(stack, "Two") == "2020-01-01"
    described = stack.cloud.client("ssm").describe_parameters()["Parameters"]
    assert [found["Description"] for found in described if "Description" in found] == [
        f"one-two of {stack.physical_id('One')}"
    ]
    assert len(described) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Resources: [", "YAML not well-formed"),
        ("{'Resources'", "YAML not well-formed"),
        ("just text", "unsupported structure"),
        ("One: !!python/object/apply:os.getcwd []", "YAML not well-formed"),
        (template(), "At least one Resources member must be defined"),
        (template(One={"Type": "AWS::Nobody::Has"}), "AWS::Nobody::Has"),
        (
            template(One={"Type": "AWS::CloudFormation::WaitCondition"}),
            "AWS::CloudFormation::WaitCondition",
        ),
        (template(One=one({"Ref": "Nobody"})), r"Unresolved resource dependencies \[Nobody\]"),
        (template(One=one({"Fn::Sub": "${Nobody.Value}"})), r"dependencies \[Nobody\]"),
        (template(One=one({"Fn::GetAtt": ["Nobody", "Value"]})), r"dependencies \[Nobody\]"),
        (template(One=one(DependsOn="Nobody")), r"dependencies \[Nobody\]"),
        (
            template(One=one({"Ref": "Two"}), Two=one(DependsOn=["One"])),
            "Circular dependency between resources",
        ),
        (template(One=one(CreationPolicy={"ResourceSignal": {}})), "CreationPolicy"),
        (
            template(One=one(UpdatePolicy={"AutoScalingRollingUpdate": {"MaxBatchSize": 1}})),
            "AutoScalingRollingUpdate",
        ),
        (
            template(One=one(UpdatePolicy={"AutoScalingReplacingUpdate": {"WillReplace": True}})),
            "AutoScalingReplacingUpdate",
        ),
        (json.dumps({"Transform": "AWS::Include", "Resources": {"One": one()}}), "Transform"),
    ],
)
def test_what_is_not_usable_is_refused(stack: StackFixture, text: str, message: str) -> None:
    expect_refusal(stack, text, message)


def test_an_update_policy_that_replaces_nothing_is_taken(stack: StackFixture) -> None:
    policy = {"AutoScalingReplacingUpdate": {"WillReplace": False}}
    made = stack.create(template(One=one(UpdatePolicy=policy)))
    assert made["StackStatus"] == "CREATE_COMPLETE"


def test_references_to_what_a_condition_left_out_fail(stack: StackFixture) -> None:
    resources = {"One": one({"Ref": "Two"}), "Two": one(Condition="Never")}
    conditions = {"Never": {"Fn::Equals": ["a", "b"]}}
    failed = stack.create(json.dumps({"Conditions": conditions, "Resources": resources}))
    assert failed["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "dependencies [Two]" in failed["StackStatusReason"]


@pytest.mark.parametrize(
    ("slot", "text", "message"),
    [
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, "ab1", r"must match pattern \[a-z\]\+"),
        (
            {"Type": "String", "AllowedValues": ["a", "b"]},
            "c",
            "must be one of AllowedValues: a, b",
        ),
        ({"Type": "String", "MaxLength": 2}, "abc", "must be 0 to 2 long"),
        ({"Type": "String", "MinLength": "2"}, "a", "must be 2 to any long"),
        ({"Type": "Number"}, "many", "must be a number"),
        ({"Type": "Number", "MinValue": 1, "MaxValue": 3}, "4", "must be from 1 to 3"),
        ({"Type": "CommaDelimitedList", "AllowedPattern": "[a-z]+"}, "a,b,1", "must match pattern"),
        (
            {"Type": "String", "AllowedPattern": "[a-z]+", "ConstraintDescription": "letters"},
            "1",
            "constraint: letters",
        ),
    ],
)
def test_parameters_are_checked(
    stack: StackFixture, slot: dict[str, Any], text: str, message: str
) -> None:
    expect_refusal(stack, template({"Given": slot}, One=one()), message, Given=text)


def test_parameters_are_given_where_they_are_wanted(stack: StackFixture) -> None:
    slots = {"Given": {"Type": "String"}, "Other": {"Type": "String"}}
    expect_refusal(stack, template(slots, One=one()), r"\[Given, Other\] must have values")
    expect_refusal(stack, template(One=one()), r"\[Given\] do not exist in the template", Given="a")


@pytest.mark.parametrize("given", [{}, {"Given": "a, b ,c"}])
def test_lists_are_lists_by_default_too(stack: StackFixture, given: dict[str, str]) -> None:
    slots = {"Given": {"Type": "CommaDelimitedList", "Default": "a,b,c"}}
    stack.create(template(slots, One=one({"Fn::Select": [1, {"Ref": "Given"}]})), **given)
    assert value(stack) == "b"


def test_a_previous_value_may_have_been_the_default(stack: StackFixture) -> None:
    slots = {"Given": {"Type": "String", "Default": "a"}}
    stack.create(template(slots, One=one({"Ref": "Given"})))
    slots["Given"]["Default"] = "b"
    stack.update(template(slots, One=one({"Ref": "Given"}), Two=one()))
    assert value(stack) == "a"
    with pytest.raises(ClientError, match="Cannot specify usePreviousValue"):
        stack.client.update_stack(
            StackName="fleet",
            UsePreviousTemplate=True,
            Parameters=[{"ParameterKey": "Nobody", "UsePreviousValue": True}],
        )


STORED = "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"


def test_stored_parameters_are_read_at_each_update(stack: StackFixture) -> None:
    put(stack.cloud, "ami-1", "/image")
    slots = {"Image": {"Type": STORED}, "Other": {"Type": "String", "Default": "a"}}
    text = template(slots, One=one({"Ref": "Image"}), Two=one({"Ref": "Other"}))
    described = stack.create(text, Image="/image")
    assert value(stack) == "ami-1"
    assert {"ParameterKey": "Image", "ParameterValue": "/image", "ResolvedValue": "ami-1"} in (
        described["Parameters"]
    )
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stack.update()
    put(stack.cloud, "ami-2", "/image")
    assert stack.describe() == described
    # The parameter's name is the same, and that it says something else is a change.
    stack.update()
    assert value(stack) == "ami-2"


def test_stored_lists_and_versions(stack: StackFixture) -> None:
    put(stack.cloud, "a,b", "/list")
    put(stack.cloud, "c,d", "/list")
    slots = {"List": {"Type": "AWS::SSM::Parameter::Value<List<String>>", "Default": "/list:1"}}
    stack.create(template(slots, One=one({"Fn::Select": ["1", {"Ref": "List"}]})))
    assert value(stack) == "b"


@pytest.mark.parametrize("name", ["/nobody", "/image:7"])
def test_stored_parameters_have_to_be_there(stack: StackFixture, name: str) -> None:
    put(stack.cloud, "ami-1", "/image")
    text = template({"Image": {"Type": STORED, "Default": "/image"}}, One=one({"Ref": "Image"}))
    message = rf"Unable to fetch parameters \[{name}\] from parameter store for this account"
    expect_refusal(stack, text, message, Image=name)
    stack.create(text)
    with pytest.raises(ClientError, match=message):
        stack.update(Image=name)
    assert value(stack) == "ami-1"


def test_what_must_not_be_echoed_is_not(stack: StackFixture) -> None:
    slots = {"Given": {"Type": "String", "NoEcho": True}}
    (shown,) = stack.create(template(slots, One=one()), Given="hidden")["Parameters"]
    assert shown == {"ParameterKey": "Given", "ParameterValue": "****"}


def test_a_parameter_of_a_stack_keeps_its_history(stack: StackFixture) -> None:
    named = one()
    named["Properties"] |= {"Name": "/pointer", "Tags": {"of": "builders"}}
    stack.create(template(One=named))
    named["Properties"]["Value"] = "b"
    stack.update(template(One=named))
    ssm = stack.cloud.client("ssm")
    history = ssm.get_parameter_history(Name="/pointer")["Parameters"]
    assert [found["Value"] for found in history] == ["a", "b"]
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/pointer")["TagList"]
    assert tags == [{"Key": "of", "Value": "builders"}]
    for change in ({"Name": "/other"}, {"Type": "SecureString"}):
        failed = stack.update(
            template(One={**named, "Properties": {**named["Properties"], **change}})
        )
        assert failed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert ssm.get_parameter(Name="/pointer")["Parameter"]["Value"] == "b"
