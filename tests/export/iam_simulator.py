"""Checks each call against a policy, with its resources and conditions, as AWS documents it.

moto looks at the action only. This checks every resource that the Service Authorization Reference
lists for a call, with the tags and the owner that it has in the local cloud at that moment:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import ClientError

from harness import Harness

ACCOUNT = "123456789012"
REGION = "us-east-1"

USED: dict[str, dict[str, str]] = {
    "AuthorizeSecurityGroupIngress": {"security-group": "GroupId"},
    "CreateImage": {"instance": "InstanceId"},
    "CreateSecurityGroup": {"vpc": "VpcId"},
    "DeleteKeyPair": {"key-pair": "KeyName"},
    "DeleteSecurityGroup": {"security-group": "GroupId"},
    "DeleteSnapshot": {"snapshot": "SnapshotId"},
    "DeregisterImage": {"image": "ImageId"},
    "EnableImageDeprecation": {"image": "ImageId"},
    "GetConsoleOutput": {"instance": "InstanceId"},
    "RunInstances": {
        "image": "ImageId",
        "key-pair": "KeyName",
        "security-group": "SecurityGroupIds",
        "subnet": "SubnetId",
    },
    "StopInstances": {"instance": "InstanceIds"},
    "TerminateInstances": {"instance": "InstanceIds"},
}
"""The existing resources that a call to EC2 uses or changes, and the parameters that name them."""

MADE = {
    "CreateImage": ("image", "snapshot"),
    "CreateSecurityGroup": ("security-group",),
    "ImportKeyPair": ("key-pair",),
    "RunInstances": ("instance", "network-interface", "volume"),
}
KINDS = {"ami": "image", "i": "instance"}
"""What CreateTags is called for, by the prefix of its id."""


@dataclass(frozen=True)
class Request:
    """What IAM decides on: an action, a resource, and the values of condition keys."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


class PolicySimulator:
    """Refuses calls that a policy does not allow, before they are sent."""

    def __init__(self, harness: Harness, policy: dict[str, Any]) -> None:
        self._policy = policy
        self._ec2 = harness.ec2
        for client in harness.clients():
            client.meta.events.register("provide-client-params.*.*", self._check_call)

    def allow(self, policy: dict[str, Any]) -> None:
        """Check calls against this policy in the place of the one before."""
        self._policy = policy

    def _check_call(self, params: dict[str, Any], model: Any, **other: Any) -> None:
        service = model.service_model.signing_name
        for request in self._list_requests(service, model.name, params):
            if not allows(self._policy, request):
                message = f"not authorized to perform: {request.action} on {request.resource}"
                answer: Any = {"Error": {"Code": "UnauthorizedOperation", "Message": message}}
                raise ClientError(answer, model.name)

    def _list_requests(self, service: str, call: str, params: dict[str, Any]) -> Iterator[Request]:
        action = f"{service}:{call}"
        if service == "ssm":
            paths = params.get("Names") or [params.get("Name") or params["Path"]]
            for path in paths:
                yield Request(action, f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{path}")
        elif call.startswith("Describe"):
            yield Request(action, "*")
        elif call == "CreateTags":
            tags = request_tags(params["Tags"])
            for name in params["Resources"]:
                kind = KINDS[name.partition("-")[0]]
                yield Request(action, arn(kind, name), self._find_context(kind, name) | tags)
        else:
            yield from self._list_for_resources(action, call, params)

    def _list_for_resources(
        self, action: str, call: str, params: dict[str, Any]
    ) -> Iterator[Request]:
        for kind, key in USED.get(call, {}).items():
            names = params[key] if isinstance(params[key], list) else [params[key]]
            for name in names:
                yield Request(action, arn(kind, name), self._find_context(kind, name))
        tagged = {
            given["ResourceType"]: request_tags(given["Tags"])
            for given in params.get("TagSpecifications", [])
        }
        for kind in MADE.get(call, ()):
            yield Request(action, arn(kind, "*"), tagged.get(kind, {}))
        for kind, tags in tagged.items():
            yield Request("ec2:CreateTags", arn(kind, "*"), tags | {"ec2:CreateAction": call})

    def _find_context(self, kind: str, name: str) -> dict[str, str]:
        """Return a resource's condition keys; none if it does not exist."""
        if kind == "key-pair":
            by_name = [{"Name": "key-name", "Values": [name]}]
            pairs = self._ec2.describe_key_pairs(Filters=by_name)["KeyPairs"]
            tags = [tag for pair in pairs for tag in pair["Tags"]]
        else:
            by_id = [{"Name": "resource-id", "Values": [name]}]
            tags = self._ec2.describe_tags(Filters=by_id)["Tags"]
        context = {f"aws:ResourceTag/{tag['Key']}": str(tag["Value"]) for tag in tags}
        if kind == "image":
            by_id = [{"Name": "image-id", "Values": [name]}]
            for image in self._ec2.describe_images(Filters=by_id)["Images"]:
                context["ec2:Owner"] = image["OwnerId"]
        return context


def arn(kind: str, name: str) -> str:
    account = "" if kind in {"image", "snapshot"} else ACCOUNT
    return f"arn:aws:ec2:{REGION}:{account}:{kind}/{name}"


def request_tags(tags: list[dict[str, str]]) -> dict[str, str]:
    return {f"aws:RequestTag/{tag['Key']}": str(tag["Value"]) for tag in tags}


def allows(policy: dict[str, Any], request: Request) -> bool:
    """Return whether a statement allows the request; our policies have no Deny."""
    context = {"aws:RequestedRegion": REGION, **request.context}
    return any(
        request.action in statement["Action"]
        and any(fnmatchcase(request.resource, pattern) for pattern in statement["Resource"])
        and all(
            context.get(key) in (wanted if isinstance(wanted, list) else [wanted])
            for key, wanted in statement.get("Condition", {}).get("StringEquals", {}).items()
        )
        for statement in policy["Statement"]
    )
