"""Holds each call against a policy, with resources and conditions, as AWS says it does.

moto judges by the action alone. This asks for every resource that the Service Authorization
Reference lists for a call, with the tags and the owner that it has in the local cloud then:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import ClientError

from bench import Bench

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
"""What is there already that a call of EC2's uses or changes, and where it is named."""

MADE = {
    "CreateImage": ("image", "snapshot"),
    "CreateSecurityGroup": ("security-group",),
    "ImportKeyPair": ("key-pair",),
    "RunInstances": ("instance", "network-interface", "volume"),
}
KINDS = {"ami": "image", "i": "instance"}
"""What CreateTags is called for, by the ids' first part."""


@dataclass(frozen=True)
class Question:
    """What AWS asks of a policy: may this be done to that, under these circumstances?"""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


class Judge:
    """Refuses what a policy does not allow, before it is sent.

    Attributes:
        policy: Can be changed at any time.
    """

    def __init__(self, bench: Bench, policy: dict[str, Any]) -> None:
        self.policy = policy
        self._ec2 = bench.ec2
        for client in bench.clients():
            client.meta.events.register("provide-client-params.*.*", self._called)

    def _called(self, params: dict[str, Any], model: Any, **other: Any) -> None:
        service = model.service_model.signing_name
        for question in self._questions(service, model.name, params):
            if not allows(self.policy, question):
                message = f"not authorized to perform: {question.action} on {question.resource}"
                answer: Any = {"Error": {"Code": "UnauthorizedOperation", "Message": message}}
                raise ClientError(answer, model.name)

    def _questions(self, service: str, call: str, params: dict[str, Any]) -> Iterator[Question]:
        action = f"{service}:{call}"
        if service == "ssm":
            path = params.get("Name") or params["Path"]
            yield Question(action, f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{path}")
        elif call.startswith("Describe"):
            yield Question(action, "*")
        elif call == "CreateTags":
            tags = request_tags(params["Tags"])
            for name in params["Resources"]:
                kind = KINDS[name.partition("-")[0]]
                yield Question(action, arn(kind, name), self._context(kind, name) | tags)
        else:
            yield from self._of_things(action, call, params)

    def _of_things(self, action: str, call: str, params: dict[str, Any]) -> Iterator[Question]:
        for kind, key in USED.get(call, {}).items():
            names = params[key] if isinstance(params[key], list) else [params[key]]
            for name in names:
                yield Question(action, arn(kind, name), self._context(kind, name))
        tagged = {
            given["ResourceType"]: request_tags(given["Tags"])
            for given in params.get("TagSpecifications", [])
        }
        for kind in MADE.get(call, ()):
            yield Question(action, arn(kind, "*"), tagged.get(kind, {}))
        for kind, tags in tagged.items():
            yield Question("ec2:CreateTags", arn(kind, "*"), tags | {"ec2:CreateAction": call})

    def _context(self, kind: str, name: str) -> dict[str, str]:
        """Return what is known of a resource; of one that is not there, nothing."""
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


def allows(policy: dict[str, Any], question: Question) -> bool:
    """Tell whether some statement allows it; there are no others than Allow in ours."""
    context = {"aws:RequestedRegion": REGION, **question.context}
    return any(
        question.action in statement["Action"]
        and any(fnmatchcase(question.resource, pattern) for pattern in statement["Resource"])
        and all(
            context.get(key) in (wanted if isinstance(wanted, list) else [wanted])
            for key, wanted in statement.get("Condition", {}).get("StringEquals", {}).items()
        )
        for statement in policy["Statement"]
    )
