"""What boto3's errors become for people."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from amikiln.aws.errors import explain

USER = "arn:aws:iam::123456789012:user/builder"


def refusal(code: str, message: str) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message}}
    return ClientError(answer, "RunInstances")


@pytest.mark.parametrize(
    ("code", "message", "action"),
    [
        # EC2, Systems Manager and the others, each in its own words.
        (
            "UnauthorizedOperation",
            "You are not authorized to perform this operation. User: "
            f"{USER} is not authorized to perform: ec2:CreateTags on resource:"
            " arn:aws:ec2:us-east-1:123456789012:instance/* because no identity-based policy"
            " allows the ec2:CreateTags action. Encoded authorization failure message: Hb3x",
            "ec2:CreateTags",
        ),
        (
            "UnauthorizedOperation",
            "You are not authorized to perform this operation. Encoded authorization failure"
            " message: Hb3x",
            "RunInstances",
        ),
        (
            "AccessDeniedException",
            f"User: {USER} is not authorized to perform: ssm:PutParameter on resource: x",
            "ssm:PutParameter",
        ),
        (
            "AccessDenied",
            f"User: {USER} is not authorized to perform:"
            " autoscaling:DescribeAutoScalingGroups because no identity-based policy allows it",
            "autoscaling:DescribeAutoScalingGroups",
        ),
    ],
)
def test_a_refused_action_is_named_and_so_is_what_prints_the_policy(
    code: str, message: str, action: str
) -> None:
    what, hint = explain(refusal(code, message))
    assert what == f"RunInstances failed: {code}: {message}"
    assert hint is not None
    assert hint.startswith(f"allow {action} for the credentials in use")
    assert "`amikiln export iam-policy IMAGE_DIR`" in hint


def test_other_errors_have_other_hints() -> None:
    assert explain(refusal("InternalError", "it broke"))[1] is None
    assert "log in again" in (explain(refusal("ExpiredToken", "gone"))[1] or "")


@pytest.mark.parametrize("kind", [EndpointConnectionError, ConnectTimeoutError, ReadTimeoutError])
def test_a_lost_connection_names_the_endpoint_and_what_to_check(kind: type[BotoCoreError]) -> None:
    what, hint = explain(kind(endpoint_url="https://ec2.us-east-1.amazonaws.com/"))
    assert "ec2.us-east-1.amazonaws.com" in what
    assert "check the network" in (hint or "")
