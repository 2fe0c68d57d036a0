"""The IAM policy that the pipeline needs for one image, made from what the calls declare.

It is about this spec's resources alone. What is made has to get the image's tag in the same call,
and only what carries it is changed or removed. AWS's pages on what can be narrowed, and how:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-access.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3

import amikiln.aws.connect  # noqa: F401  (with it, all modules that call AWS have declared)
from amikiln.aws.permissions import DECLARED, NO_RESOURCE_LEVEL, Named, Permission, Target, Which
from amikiln.catalog.tags import TAG_IMAGE
from amikiln.errors import SpecError
from amikiln.spec.spec import Spec
from amikiln.spec.types import ACCOUNT

ANY_ACCOUNT = "*"
PUBLIC_PARAMETERS = "/aws/service/"
WITHOUT_ACCOUNT = {"image", "snapshot"}
"""EC2 resources whose ARN has no account in it."""

# https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html
KEY_ARN = re.compile(rf"arn:[a-z-]+:kms:[a-z0-9-]+:{ACCOUNT}:key/[A-Za-z0-9-]+")

Statement = dict[str, Any]
Condition = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Scope:
    """Where a policy holds.

    Attributes:
        spec: Names what the policy is about.
        account: An account's 12 digits, or ``*``.
        kms_key: The ARN of a key of the account's own that encrypts volumes and snapshots.
    """

    spec: Spec
    account: str = ANY_ACCOUNT
    kms_key: str | None = None

    def arn(self, service: str, resource: str, account: str | None = None) -> str:
        where = f"{service}:{self.spec.region}:{self.account if account is None else account}"
        return f"arn:{_partition(self.spec.region)}:{where}:{resource}"

    def ec2(self, kind: str, name: str = "*") -> str:
        return self.arn("ec2", f"{kind}/{name}", "" if kind in WITHOUT_ACCOUNT else None)

    def parameter(self, path: str) -> str:
        # AWS's public parameters are no account's:
        # .../systems-manager/latest/userguide/parameter-store-public-parameters.html
        account = "" if path.startswith(PUBLIC_PARAMETERS) else None
        return self.arn("ssm", f"parameter{path}", account)

    def tagged(self, which: str) -> Condition:
        return {"StringEquals": {f"aws:{which}Tag/{TAG_IMAGE}": self.spec.name}}


@cache
def _partition(region: str) -> str:
    # Cached: boto3 reads its whole list of endpoints for each answer.
    return boto3.Session().get_partition_for_region(region)


def text(spec: Spec, account: str = ANY_ACCOUNT, kms_key: str | None = None) -> str:
    """Return the policy as JSON; the same arguments give the same text.

    Args:
        spec: The image that the pipeline makes.
        account: An account's 12 digits, or ``*``.
        kms_key: The ARN of the key of the account's own that encrypts its volumes, if one does.

    Raises:
        SpecError: The account or the key cannot be one.
    """
    if account != ANY_ACCOUNT and not re.fullmatch(ACCOUNT, account):
        raise SpecError(f"{account!r} is not an AWS account", hint="give its 12 digits")
    if kms_key is not None and not KEY_ARN.fullmatch(kms_key):
        raise SpecError(
            f"{kms_key!r} is not the ARN of a KMS key",
            hint="write arn:aws:kms:REGION:ACCOUNT:key/ID; an alias does not do in a policy",
        )
    return json.dumps(policy(Scope(spec, account, kms_key)), indent=2) + "\n"


def policy(scope: Scope) -> dict[str, Any]:
    """Return the policy that allows what is declared, and nothing else."""
    granted: dict[Target, set[str]] = {}
    for permission in _declared():
        for target in permission.targets:
            granted.setdefault(_settled(target, scope.spec), set()).add(permission.action)
    # One statement for all kinds on which the very same actions are allowed in the same way.
    together: dict[tuple[Which, tuple[str, ...], str], list[str]] = {}
    for target, allowed in granted.items():
        alone = target.kind if target.which is Which.NAMED or target == NO_RESOURCE_LEVEL else ""
        together.setdefault((target.which, tuple(sorted(allowed)), alone), []).append(target.kind)
    statements = [
        statement
        for (which, allowed, _), kinds in together.items()
        for statement in _statements(which, sorted(kinds), allowed, scope)
    ]
    statements.append(_tagging(granted, scope))
    return {"Version": "2012-10-17", "Statement": sorted(statements, key=lambda one: one["Sid"])}


def _declared() -> Iterator[Permission]:
    return (permission for declared in DECLARED.values() for permission in declared)


def _settled(target: Target, spec: Spec) -> Target:
    if target.kind == Named.SECURITY_GROUP.value and not _has_group(spec):
        return Target(Which.OURS, "security-group")
    return target


def _has_group(spec: Spec) -> bool:
    return bool(spec.instance.security_group or spec.instance.security_group_parameter)


def _statements(
    which: Which, kinds: Sequence[str], allowed: Sequence[str], scope: Scope
) -> Iterator[Statement]:
    if which is Which.NAMED:
        yield from _of_the_spec(Named(kinds[0]), allowed, scope)
        return
    if kinds == [NO_RESOURCE_LEVEL.kind]:
        region = {"StringEquals": {"aws:RequestedRegion": scope.spec.region}}
        yield _allow("LookAtWhatHasNoResourceLevel", allowed, kinds, region)
        return
    words = "And".join(kind.title().replace("-", "") for kind in kinds)
    resources = [scope.ec2(kind) for kind in kinds]
    if which is Which.OURS:
        yield _allow(f"UseOwn{words}", allowed, resources, scope.tagged("Resource"))
    elif which is Which.NEW:
        yield _allow(f"Make{words}", allowed, resources, scope.tagged("Request"))
    else:
        yield _allow(f"UseAny{words}", allowed, resources)


def _of_the_spec(thing: Named, allowed: Sequence[str], scope: Scope) -> Iterator[Statement]:
    spec = scope.spec
    if thing is Named.SOURCE_IMAGE:
        image = scope.ec2("image", spec.source.id or "*")
        yield _allow("UseSourceImage", allowed, [image], _owned(scope))
    elif thing is Named.SUBNET:
        subnet = scope.ec2("subnet", spec.instance.subnet or "*")
        yield _allow("UseSubnet", allowed, [subnet])
    elif thing is Named.SECURITY_GROUP:
        group = scope.ec2("security-group", spec.instance.security_group or "*")
        yield _allow("UseSecurityGroup", allowed, [group])
    elif thing is Named.POINTER:
        yield _allow("MovePointer", allowed, [scope.parameter(spec.pointer)])
    elif thing is Named.LEASE:
        yield _allow("ListLease", allowed, [scope.parameter(spec.lease_path)])
    elif thing is Named.LEASE_TERMS:
        yield _allow("HoldLease", allowed, [scope.parameter(f"{spec.lease_path}/*")])
    elif thing is Named.SETTINGS:
        instance = spec.instance
        paths = (
            spec.source.parameter,
            instance.subnet_parameter,
            instance.security_group_parameter,
        )
        if given := sorted({scope.parameter(spec.in_region(path)) for path in paths if path}):
            yield _allow("ReadParametersOfTheSpec", allowed, given)
    elif thing is Named.ENCRYPTION_KEY and scope.kms_key:
        yield from _encryption(allowed, scope, scope.kms_key)


def _owned(scope: Scope) -> Condition:
    """Return whose the source image has to be, where the spec says so.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ExamplePolicies_EC2.html
    """
    owner = scope.spec.source.owner
    if owner == "self":
        owner = scope.account if scope.account != ANY_ACCOUNT else None
    return {"StringEquals": {"ec2:Owner": owner}} if owner else {}


def _encryption(allowed: Sequence[str], scope: Scope, key: str) -> Iterator[Statement]:
    """Return the statements for a key, usable through EC2 alone.

    https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html
    """
    grant = "kms:CreateGrant"
    through_ec2 = {"StringEquals": {"kms:ViaService": f"ec2.{scope.spec.region}.amazonaws.com"}}
    others = [action for action in allowed if action != grant]
    yield _allow("UseEncryptionKey", others, [key], through_ec2)
    # Only a service may be given the key for longer than the call, never a person.
    for_services = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    yield _allow("LendEncryptionKey", [grant], [key], {**through_ec2, **for_services})


def _tagging(granted: dict[Target, set[str]], scope: Scope) -> Statement:
    """Return the statement that allows tags in the calls that make something, and in no other.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html
    """
    made = {target.kind: found for target, found in granted.items() if target.which is Which.NEW}
    calls = sorted(action.partition(":")[2] for action in set().union(*made.values()))
    condition = scope.tagged("Request")
    condition["StringEquals"]["ec2:CreateAction"] = calls
    kinds = [scope.ec2(kind) for kind in sorted(made)]
    return _allow("TagWhatIsMade", ["ec2:CreateTags"], kinds, condition)


def _allow(
    sid: str, allowed: Sequence[str], resources: Sequence[str], condition: Condition | None = None
) -> Statement:
    statement: Statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": sorted(allowed),
        "Resource": list(resources),
    }
    return statement | ({"Condition": condition} if condition else {})
