"""Dynamic references: resolved when a resource is made or updated, and never between."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.fixture import CloudFixture
from localcloud.stacks import StackFixture, put

NAME = "/ami/of-builders"


def template(value: Any, tag: str = "first") -> str:
    """Return a stack of one parameter that is a copy of another."""
    properties = {"Type": "String", "Value": value, "Tags": {"tag": tag}}
    resources = {"Copy": {"Type": "AWS::SSM::Parameter", "Properties": properties}}
    return json.dumps({"Resources": resources})


@pytest.fixture
def stack(cloud: CloudFixture) -> StackFixture:
    put(cloud, "one", NAME)
    put(cloud, "two", NAME)
    return StackFixture(cloud)


def copy(stack: StackFixture) -> str:
    found = stack.cloud.client("ssm").get_parameter(Name=stack.physical_id("Copy"))
    value: str = found["Parameter"]["Value"]
    return value


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        (f"{{{{resolve:ssm:{NAME}}}}}", "two"),
        (f"{{{{resolve:ssm:{NAME}:1}}}}", "one"),
        (f"<{{{{resolve:ssm:{NAME}:1}}}}-{{{{resolve:ssm:{NAME}}}}}>", "<one-two>"),
        ({"Fn::Sub": f"${{AWS::Region}}/{{{{resolve:ssm:{NAME}}}}}"}, "us-east-1/two"),
        ({"Fn::Join": ["", ["{{resolve", ":ssm:", NAME, "}}"]]}, "two"),
    ],
)
def test_references_are_resolved_at_creation(
    stack: StackFixture, reference: Any, value: str
) -> None:
    assert stack.create(template(reference))["StackStatus"] == "CREATE_COMPLETE"
    assert copy(stack) == value


def test_references_are_resolved_again_when_their_resource_changes(stack: StackFixture) -> None:
    reference = f"{{{{resolve:ssm:{NAME}}}}}"
    stack.create(template(reference))
    put(stack.cloud, "three", NAME)
    assert copy(stack) == "two"
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stack.update(template(reference))
    assert copy(stack) == "two"
    stack.update(template(reference, tag="second"))
    assert copy(stack) == "three"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("{{resolve:ssm:/nobody}}", r"Parameters: \[ssm:/nobody\] cannot be found"),
        (f"{{{{resolve:ssm:{NAME}:9}}}}", rf"Parameters: \[ssm:{NAME}:9\] cannot be found"),
        (f"{{{{resolve:ssm:{NAME}:stable}}}}", "Incorrect format"),
        ("{{resolve:ssm:/secret}}", "SecureString"),
        ("{{resolve:ssm-secure:/secret:1}}", "ssm-secure"),
        ("{{resolve:secretsmanager:secret:SecretString:key}}", "secretsmanager"),
        ("{{resolve:secretsmanager}}", "secretsmanager"),
    ],
)
def test_what_cannot_be_resolved_is_refused(
    stack: StackFixture, reference: str, message: str
) -> None:
    stack.cloud.client("ssm").label_parameter_version(Name=NAME, Labels=["stable"])
    put(stack.cloud, "hidden", "/secret", Type="SecureString")
    with pytest.raises(ClientError, match=message) as error:
        stack.create(template(reference))
    assert error.value.response["Error"]["Code"] == "ValidationError"
    assert stack.client.describe_stacks()["Stacks"] == []

    stack.create(template("text"))
    with pytest.raises(ClientError, match=message):
        stack.update(template(reference))
    assert stack.describe()["StackStatus"] == "CREATE_COMPLETE"
    assert copy(stack) == "text"


@pytest.mark.parametrize(
    ("service", "message"), [("ssm", "[ssm:/nobody] cannot be found"), ("ssm-secure", "ssm-secure")]
)
def test_one_that_is_put_together_fails_its_resource(
    stack: StackFixture, service: str, message: str
) -> None:
    reference = {"Fn::Join": ["", ["{{resolve:", f"{service}:/nobody", "}}"]]}
    failed = stack.create(template(reference))
    assert failed["StackStatus"] == "ROLLBACK_COMPLETE"
    assert message in failed["StackStatusReason"]
