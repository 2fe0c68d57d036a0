"""Refusals by IAM, where moto enforces policies."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.enforcement import enforce
from localcloud.fixture import CloudFixture

CALLER = "arn:aws:iam::123456789012:user/builder"
ONE_GROUP = "arn:aws:ec2:us-east-1:*:security-group/sg-0123456789abcdef0"


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(*actions: str, resource: str = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def test_what_is_allowed_on_some_resources_is_done_and_nothing_else(cloud: CloudFixture) -> None:
    allowed = policy(allow("ec2:DescribeImages", "ssm:PutParameter", resource=ONE_GROUP))
    with enforce(cloud, allowed) as user:
        session = cloud.session(keys=user.keys)
        assert session.client("ec2").describe_images(ImageIds=[cloud.base])["Images"]
        session.client("ssm").put_parameter(Name="/p", Value="v", Type="String")
        with pytest.raises(ClientError):
            session.client("ssm").get_parameter(Name="/p")


@pytest.mark.parametrize(
    ("service", "method", "arguments", "code", "action"),
    [
        ("ec2", "describe_images", {}, "UnauthorizedOperation", "ec2:DescribeImages"),
        ("ssm", "get_parameter", {"Name": "/p"}, "AccessDeniedException", "ssm:GetParameter"),
        (
            "autoscaling",
            "describe_auto_scaling_groups",
            {},
            "AccessDenied",
            "autoscaling:DescribeAutoScalingGroups",
        ),
    ],
)
def test_a_refusal_is_in_the_services_words_and_names_caller_and_action(
    cloud: CloudFixture,
    service: str,
    method: str,
    arguments: dict[str, str],
    code: str,
    action: str,
) -> None:
    with enforce(cloud, policy(allow("iam:GetUser"))) as user:
        client = cloud.session(keys=user.keys).client(service)
        with pytest.raises(ClientError) as caught:
            getattr(client, method)(**arguments)
    error = caught.value.response["Error"]
    assert error["Code"] == code
    assert f"User: {CALLER} is not authorized to perform: {action} because" in error["Message"]


def test_what_is_denied_is_not_done_though_it_is_allowed(cloud: CloudFixture) -> None:
    denied = {**allow("ec2:DescribeImages"), "Effect": "Deny"}
    with enforce(cloud, policy(allow("ec2:*"), denied)) as user:
        ec2 = cloud.session(keys=user.keys).client("ec2")
        assert ec2.describe_instances()["Reservations"] == []
        with pytest.raises(ClientError, match="ec2:DescribeImages"):
            ec2.describe_images()


def test_wrong_keys_are_nobodys(cloud: CloudFixture) -> None:
    with enforce(cloud, policy(allow("*"))) as user:
        stolen = cloud.session(keys=(user.keys[0], "a guess"))
        with pytest.raises(ClientError, match="AuthFailure"):
            stolen.client("ec2").describe_images()


def test_without_enforcement_nobody_is_asked_for_a_policy(cloud: CloudFixture) -> None:
    with enforce(cloud, policy(allow("iam:GetUser"))):
        pass
    assert cloud.session().client("ec2").describe_images()["Images"]
