"""What the environment says that the spec does not, without --local."""

from __future__ import annotations

import dataclasses

import pytest

from amikiln.cli.prepare import describe_surroundings
from harness import Harness


def test_the_local_endpoint_and_another_region_are_said(harness: Harness) -> None:
    cloud = dataclasses.replace(
        harness.session.cloud, name="local-1", endpoint="http://127.0.0.1:4566"
    )
    endpoint, region = describe_surroundings(
        cloud, {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-1"}
    )
    assert "on the local cloud at http://127.0.0.1:4566" in endpoint
    assert region == "AWS_REGION is eu-west-1, and the spec's region us-east-1 is used"
    aws = dataclasses.replace(cloud, name="aws", endpoint=None)
    assert list(describe_surroundings(aws, {"AWS_REGION": "us-east-1"})) == []


@pytest.mark.parametrize(("name", "endpoint"), [("local-1", "http://127.0.0.1:9"), ("aws", None)])
def test_a_command_to_copy_leads_to_the_cloud_that_it_is_about(
    harness: Harness, name: str, endpoint: str | None
) -> None:
    cloud = dataclasses.replace(harness.session.cloud, name=name, endpoint=endpoint)
    shown = cloud.aws("ec2", "delete-tags", "--tags", "Key=a b")
    assert shown.endswith(" ec2 delete-tags --region us-east-1 --tags 'Key=a b'")
    assert ("--endpoint-url http://127.0.0.1:9 " in shown) is (endpoint is not None)
    assert cloud.amikiln("status", "IMAGE").endswith("--local") is (name != "aws")
