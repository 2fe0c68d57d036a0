"""The IAM policy that the pipeline needs for one image, from the permissions that calls declare.

It covers this spec's resources only: a new resource must be tagged with the image's name in the
call that creates it, and only resources with that tag can be changed or deleted. What AWS lets a
policy narrow, and how:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-access.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import amikiln.aws.connect  # noqa: F401  (imports every module that declares permissions)
from amikiln.aws.parameters import TAG_PARAMETER
from amikiln.aws.permissions import (
    DECLARED,
    NO_RESOURCE_LEVEL,
    SPOT_REQUEST,
    SpecResource,
    Target,
    Which,
)
from amikiln.catalog.tags import tags_for_spec
from amikiln.errors import SpecError
from amikiln.export import ANY_ACCOUNT
from amikiln.export.iam_scope import Condition, Scope
from amikiln.spec.machine import STACK_OWNER, STACK_TEMPLATE
from amikiln.spec.registries import ECR_HOST, PUBLIC_ECR
from amikiln.spec.spec import Spec
from amikiln.spec.types import ACCOUNT

# https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html
KEY_ARN = re.compile(rf"arn:[a-z-]+:kms:[a-z0-9-]+:{ACCOUNT}:key/[A-Za-z0-9-]+")

ECR_RESOURCES = {
    SpecResource.ECR_TOKEN,
    SpecResource.PUBLIC_ECR_TOKEN,
    SpecResource.REPOSITORIES,
}

Statement = dict[str, Any]


def render_policy(spec: Spec, account: str = ANY_ACCOUNT, kms_key: str | None = None) -> str:
    """Return the policy as JSON; the same arguments always give the same text.

    Args:
        spec: The image that the pipeline makes.
        account: The account's 12 digits, or ``*``.
        kms_key: The ARN of a customer managed key that encrypts volumes; the spec's by default.

    Raises:
        SpecError: The account or the key is malformed.
    """
    if account != ANY_ACCOUNT and not re.fullmatch(ACCOUNT, account):
        raise SpecError(f"{account!r} is not an AWS account", hint="give its 12 digits")
    kms_key = spec.volume.kms_key if kms_key is None else kms_key
    if kms_key is not None and not KEY_ARN.fullmatch(kms_key):
        raise SpecError(
            f"{kms_key!r} is not the ARN of a KMS key",
            hint="give --kms-key arn:aws:kms:REGION:ACCOUNT:key/ID; a policy cannot name a key by"
            " its alias",
        )
    return json.dumps(build_policy(Scope(spec, account, kms_key)), indent=2) + "\n"


def build_policy(scope: Scope) -> dict[str, Any]:
    """Return the policy that allows the declared permissions, and nothing else."""
    actions = _collect_actions(scope.spec)
    # Kinds of resource with the same actions, narrowed in the same way, share a statement.
    groups: dict[tuple[Which, tuple[str, ...], str], list[str]] = {}
    for target, allowed in actions.items():
        alone = (
            target.kind if target.which is Which.FROM_SPEC or target == NO_RESOURCE_LEVEL else ""
        )
        groups.setdefault((target.which, tuple(sorted(allowed)), alone), []).append(target.kind)
    statements = [
        statement
        for (which, allowed, _), kinds in groups.items()
        for statement in _allow_kinds(which, sorted(kinds), allowed, scope)
    ]
    statements.append(_allow_tagging(actions, scope))
    return {"Version": "2012-10-17", "Statement": sorted(statements, key=lambda one: one["Sid"])}


def _collect_actions(spec: Spec) -> dict[Target, set[str]]:
    """Return the declared actions by what they act on."""
    has_group = spec.instance.security_group or spec.instance.security_group_parameter
    given_group = Target(Which.FROM_SPEC, SpecResource.SECURITY_GROUP.value)
    own_group = Target(Which.OURS, "security-group")
    actions: dict[Target, set[str]] = {}
    for permission in (one for declared in DECLARED.values() for one in declared):
        for target in permission.targets:
            if target == given_group and not has_group:
                target = own_group  # the pipeline makes one for each run
            if target.kind == SPOT_REQUEST and spec.instance.market != "spot":
                continue
            if permission.action == TAG_PARAMETER and not spec.tags:
                continue
            actions.setdefault(target, set()).add(permission.action)
    return actions


def _allow_kinds(
    which: Which, kinds: Sequence[str], allowed: Sequence[str], scope: Scope
) -> Iterator[Statement]:
    if which is Which.FROM_SPEC:
        yield from _allow_spec_resource(SpecResource(kinds[0]), allowed, scope)
        return
    if kinds == [NO_RESOURCE_LEVEL.kind]:
        region = {"StringEquals": {"aws:RequestedRegion": scope.spec.region}}
        yield _allow("LookAtWhatHasNoResourceLevel", allowed, kinds, region)
        return
    words = "And".join(kind.title().replace("-", "") for kind in kinds)
    resources = [scope.ec2_arn(kind) for kind in kinds]
    if which is Which.OURS:
        yield _allow(f"UseOwn{words}", allowed, resources, scope.require_tag("Resource"))
    elif which is Which.NEW:
        yield _allow(f"Make{words}", allowed, resources, scope.require_tag("Request"))
    else:
        yield _allow(f"UseAny{words}", allowed, resources)


def _allow_spec_resource(
    thing: SpecResource, allowed: Sequence[str], scope: Scope
) -> Iterator[Statement]:
    spec = scope.spec
    if thing is SpecResource.SOURCE_IMAGE:
        image = scope.ec2_arn("image", spec.source.id or "*")
        yield _allow("UseSourceImage", allowed, [image], _require_owner(scope))
    elif thing is SpecResource.SUBNET:
        subnet = scope.ec2_arn("subnet", spec.instance.subnet or "*")
        yield _allow("UseSubnet", allowed, [subnet])
    elif thing is SpecResource.SECURITY_GROUP:
        group = scope.ec2_arn("security-group", spec.instance.security_group or "*")
        yield _allow("UseSecurityGroup", allowed, [group])
    elif thing is SpecResource.POINTER:
        yield _allow("MovePointer", allowed, [scope.parameter_arn(spec.pointer)])
    elif thing is SpecResource.LEASE:
        yield _allow("ListLease", allowed, [scope.parameter_arn(spec.lease_path)])
    elif thing is SpecResource.LEASE_TERMS:
        yield _allow("HoldLease", allowed, [scope.parameter_arn(f"{spec.lease_path}/*")])
    elif thing is SpecResource.SETTINGS:
        instance = spec.instance
        paths = (
            spec.source.parameter,
            instance.subnet_parameter,
            instance.security_group_parameter,
        )
        if arns := sorted({scope.parameter_arn(spec.in_region(path)) for path in paths if path}):
            yield _allow("ReadParametersOfTheSpec", allowed, arns)
    elif thing is SpecResource.ENCRYPTION_KEY and scope.kms_key:
        yield from _allow_encryption(allowed, scope, scope.kms_key)
    elif thing in ECR_RESOURCES:
        yield from _allow_ecr(thing, allowed, scope)
    elif thing is SpecResource.PROFILE and spec.instance.profile:
        profile = scope.iam_arn("instance-profile", spec.instance.profile)
        yield _allow("LookAtInstanceProfile", allowed, [profile])
    elif thing is SpecResource.ROLE and spec.instance.profile:
        # Made in the console, a profile has its role's name; with another one, edit this.
        to_ec2 = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
        yield _allow("PassRole", allowed, [scope.iam_arn("role", spec.instance.profile)], to_ec2)
    elif spec.network.connect == "session-manager":
        yield from _allow_session(thing, allowed, scope)


def _allow_ecr(thing: SpecResource, allowed: Sequence[str], scope: Scope) -> Iterator[Statement]:
    """Yield the statements for logins to ECR; a build's own FROM may name any repository there."""
    hosts = [host for host, login in scope.spec.docker.logins.items() if login == "ecr"]
    private = [found for host in hosts if (found := ECR_HOST.fullmatch(host))]
    if thing is SpecResource.REPOSITORIES and private:
        repositories = [
            scope.repository_arn(found["region"], found["account"]) for found in private
        ]
        yield _allow("PullFromEcr", allowed, sorted(repositories))
    elif thing is SpecResource.ECR_TOKEN and private:
        yield _allow("LogInToEcr", allowed, ["*"])
    elif thing is SpecResource.PUBLIC_ECR_TOKEN and PUBLIC_ECR in hosts:
        yield _allow("LogInToPublicEcr", allowed, ["*"])


def _allow_session(
    thing: SpecResource, allowed: Sequence[str], scope: Scope
) -> Iterator[Statement]:
    if thing is SpecResource.SESSION_DOCUMENT:
        yield _allow("UseSshDocument", allowed, [scope.document_arn("AWS-StartSSHSession")])
    elif thing is SpecResource.MANAGED_INSTANCE:
        (tag, value) = next(iter(tags_for_spec(scope.spec.name).items()))
        ours = {"StringEquals": {f"ssm:resourceTag/{tag}": value}}
        yield _allow("ConnectToOwnInstance", allowed, [scope.ec2_arn("instance")], ours)
    elif thing is SpecResource.OWN_SESSION:
        yield _allow("EndOwnSession", allowed, [scope.own_session_arn()])


def _require_owner(scope: Scope) -> Condition:
    """Return the condition on the source image's owner, if the spec names one.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ExamplePolicies_EC2.html
    """
    source = scope.spec.source
    owner = source.owner
    if source.stack_version is not None and source.stack_template == STACK_TEMPLATE:
        owner = STACK_OWNER
    if owner == "self":
        owner = scope.account if scope.account != ANY_ACCOUNT else None
    return {"StringEquals": {"ec2:Owner": owner}} if owner else {}


def _allow_encryption(allowed: Sequence[str], scope: Scope, key: str) -> Iterator[Statement]:
    """Yield the statements for a key, which can be used through EC2 only.

    https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html
    """
    grant = "kms:CreateGrant"
    through_ec2 = {"StringEquals": {"kms:ViaService": f"ec2.{scope.spec.region}.amazonaws.com"}}
    others = [action for action in allowed if action != grant]
    yield _allow("UseEncryptionKey", others, [key], through_ec2)
    # A grant outlasts the call, so only an AWS service can receive one.
    for_services = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    yield _allow("LendEncryptionKey", [grant], [key], {**through_ec2, **for_services})


def _allow_tagging(actions: dict[Target, set[str]], scope: Scope) -> Statement:
    """Return the statement that allows tags in the calls that create a resource, and in no other.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html
    """
    made = {target.kind: names for target, names in actions.items() if target.which is Which.NEW}
    calls = sorted(action.partition(":")[2] for action in set().union(*made.values()))
    condition = scope.require_tag("Request")
    condition["StringEquals"]["ec2:CreateAction"] = calls
    kinds = [scope.ec2_arn(kind) for kind in sorted(made)]
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
