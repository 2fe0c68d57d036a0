"""What the local cloud does not have is refused: whole services, actions, parameters, types."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

import botocore.session
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import OperationModel, StructureShape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from amikiln_localcloud.api import served
from localcloud.fixture import CloudFixture
from localcloud.stacks import StackFixture

LIST = served._read()


@functools.cache
def models() -> botocore.session.Session:
    return botocore.session.get_session()


def refusal(connection: HTTPConnection, operation: OperationModel) -> dict[str, Any]:
    """Ask for an operation in its service's protocol, and return the error that is answered.

    Without boto3's own checks, which would not even send most of these.
    """
    service = operation.service_model
    asked: Any = create_serializer(service.protocol, False).serialize_to_request(
        fill(operation), operation
    )
    scope = f"20260101/us-east-1/{service.signing_name}/aws4_request"
    body = asked["body"]
    if isinstance(body, dict):
        body = urlencode(body)
    connection.request(
        asked["method"],
        asked["url_path"],
        body=body or None,
        headers=asked["headers"] | {"Authorization": f"AWS4-HMAC-SHA256 Credential=A/{scope}"},
    )
    answer = connection.getresponse()
    found = {
        "status_code": answer.status,
        "headers": {name.lower(): value for name, value in answer.getheaders()},
        "body": answer.read(),
    }
    parsed = create_parser(service.protocol).parse(found, operation.output_shape)
    assert answer.status >= 400, operation.name
    return parsed["Error"]  # type: ignore[no-any-return]


def fill(operation: OperationModel) -> dict[str, Any]:
    """Return the parameters that stand in an address; without the others it is refused, too."""
    shape = operation.input_shape
    members = shape.members if isinstance(shape, StructureShape) else {}
    prefix = (operation.endpoint or {}).get("hostPrefix", "")
    return {
        name: 1 if member.type_name in ("integer", "long") else "x"
        for name, member in members.items()
        if member.serialization.get("location") == "uri" or f"{{{name}}}" in prefix
    }


@pytest.fixture
def connection(cloud: CloudFixture) -> Iterator[HTTPConnection]:
    made = HTTPConnection("127.0.0.1", cloud.server.port, timeout=20)
    yield made
    made.close()


def test_no_other_service_answers(connection: HTTPConnection) -> None:
    """Every one that boto3 knows, each in its own protocol."""
    protocols = set()
    for name in models().get_available_services():
        model = models().get_service_model(name)
        if name in LIST["actions"]:
            continue
        for operation_name in model.operation_names[:3]:
            operation = model.operation_model(operation_name)
            told, what = refusal(connection, operation), f"{name} {operation_name}"
            if operation.http["method"] == "HEAD":
                assert told["Code"] == "501", what
                continue
            protocols.add(model.protocol)
            assert told["Code"] == "UnsupportedOperation", what
            assert "is not part of the local cloud" in told["Message"], what
    assert protocols == {"rest-json", "json", "smithy-rpc-v2-cbor", "query", "rest-xml"}


@pytest.mark.parametrize("service", sorted(LIST["actions"]))
def test_no_other_action_answers(connection: HTTPConnection, service: str) -> None:
    """Those of the services that it has: all of them."""
    model = models().get_service_model(service)
    listed = set(LIST["actions"][service])
    assert listed <= set(model.operation_names)
    for name in set(model.operation_names) - listed:
        told = refusal(connection, model.operation_model(name))
        assert told["Code"] == "UnsupportedOperation", name
        assert told["Message"].startswith(f"{service} {name} is not part of the local cloud"), name


def test_the_list_names_nothing_that_is_not_there() -> None:
    for kind in ("instead", "refused_parameters"):
        for service, actions in LIST[kind].items():
            known = models().get_service_model(service).operation_names
            assert set(actions) <= set(known)
    for service, actions in LIST["instead"].items():
        assert not set(actions) & set(LIST["actions"][service])
    for service, actions in LIST["refused_parameters"].items():
        model = models().get_service_model(service)
        for action, parameters in actions.items():
            shape = model.operation_model(action).input_shape
            assert shape is not None
            members = {
                one.serialization.get("queryName") or one.serialization.get("name") or name
                for name, one in shape.members.items()
            }
            assert set(parameters) <= {name[0].upper() + name[1:] for name in members}


def test_a_refusal_says_what_to_do_instead(cloud: CloudFixture) -> None:
    with pytest.raises(ClientError, match="CreateImage makes an image of an instance"):
        cloud.client("ec2").register_image(Name="named")
    with pytest.raises(ClientError, match="it has autoscaling, cloudformation, ec2, iam, ssm, sts"):
        cloud.client("s3").list_buckets()


def test_a_request_without_a_signature_is_refused(cloud: CloudFixture) -> None:
    client = cloud.session().client("sts", config=Config(signature_version=UNSIGNED))
    with pytest.raises(ClientError, match="not signed is not part of the local cloud"):
        client.get_caller_identity()


def test_what_moto_lacks_in_an_action_is_refused_in_the_same_words(cloud: CloudFixture) -> None:
    with pytest.raises(ClientError) as error:
        cloud.client("ec2").describe_subnets(Filters=[{"Name": "unheard-of", "Values": ["x"]}])
    told = error.value.response["Error"]
    assert told["Code"] == "UnsupportedOperation"
    assert told["Message"].endswith(
        "'unheard-of' for DescribeSubnets is not part of the local cloud"
    )


@pytest.mark.parametrize(
    ("service", "call", "options", "named"),
    [
        ("ec2", "run_instances", {"HibernationOptions": {"Configured": True}}, "Hibernation"),
        ("ec2", "run_instances", {"CpuOptions": {"CoreCount": 1}}, "CpuOptions"),
        (
            "ssm",
            "put_parameter",
            {"Name": "/a", "Value": "b", "Type": "String", "Policies": "[{}]"},
            "Policies",
        ),
        ("autoscaling", "create_auto_scaling_group", {"TargetGroupARNs": ["arn:x"]}, "TargetGroup"),
        (
            "cloudformation",
            "create_stack",
            {"StackName": "a", "EnableTerminationProtection": True},
            "EnableTerminationProtection",
        ),
    ],
)
def test_a_parameter_that_would_do_nothing_is_refused(
    cloud: CloudFixture, service: str, call: str, options: dict[str, Any], named: str
) -> None:
    client = cloud.session().client(service, config=Config(parameter_validation=False))
    with pytest.raises(ClientError, match=rf"{named}\w* of {service} \w+ is not part"):
        getattr(client, call)(**options)


def test_a_parameter_that_asks_for_nothing_is_taken(cloud: CloudFixture) -> None:
    cloud.run(HibernationOptions={"Configured": False})


def test_a_stack_with_another_service_s_resource_is_refused(cloud: CloudFixture) -> None:
    stack = StackFixture(cloud)
    body = {"Resources": {"Store": {"Type": "AWS::S3::Bucket"}}}
    with pytest.raises(ClientError, match=r"AWS::S3::Bucket is not part of the local cloud: its"):
        stack.create(json.dumps(body))
    assert stack.cloud.client("cloudformation").describe_stacks()["Stacks"] == []


def test_a_dry_run_changes_nothing(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    before = len(ec2.describe_security_groups()["SecurityGroups"])
    for call, options in (
        ("create_security_group", {"GroupName": "a", "Description": "b", "VpcId": vpc}),
        ("import_key_pair", {"KeyName": "a", "PublicKeyMaterial": b"x"}),
        ("create_launch_template", {"LaunchTemplateName": "a", "LaunchTemplateData": {}}),
        ("create_vpc", {"CidrBlock": "10.9.0.0/16"}),
        ("deregister_image", {"ImageId": cloud.base}),
    ):
        with pytest.raises(ClientError) as error:
            getattr(ec2, call)(DryRun=True, **options)
        assert error.value.response["Error"]["Code"] == "DryRunOperation", call
    assert len(ec2.describe_security_groups()["SecurityGroups"]) == before
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []
    assert ec2.describe_images(ImageIds=[cloud.base])["Images"]
