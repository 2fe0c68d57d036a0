"""The IAM permissions that each call needs, declared beside the code that makes the call.

``needs`` declares the action that a method calls, the resources that it acts on, and what AWS
requires besides. ``amikiln export iam-policy`` grants what is declared, and nothing else; tests
compare the declarations with the calls. The resources of each action are in AWS's own list:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


class Which(Enum):
    """Which resources of a kind an action may act on."""

    ALL = "all"
    """AWS cannot limit the action further, or it changes nothing."""
    OURS = "ours"
    """Resources that have the image's tag already."""
    NEW = "new"
    """Resources that the call creates, with the image's tag."""
    FROM_SPEC = "from spec"
    """Resources that the spec names."""


class SpecResource(Enum):
    """A resource that the spec names by its id or path, or a key that is given beside it."""

    SOURCE_IMAGE = "source image"
    SUBNET = "subnet"
    SECURITY_GROUP = "security group"
    POINTER = "pointer"
    SETTINGS = "settings"
    """The parameters that hold ids for the spec."""
    LEASE = "lease"
    LEASE_TERMS = "lease terms"
    ENCRYPTION_KEY = "encryption key"
    ECR_TOKEN = "ECR token"  # noqa: S105  (a resource's kind)
    PUBLIC_ECR_TOKEN = "public ECR token"  # noqa: S105
    REPOSITORIES = "repositories"
    """Those of the registries that the spec logs in to."""
    PROFILE = "instance profile"
    ROLE = "role"
    """The role of the instance profile."""
    SESSION_DOCUMENT = "session document"
    MANAGED_INSTANCE = "managed instance"
    OWN_SESSION = "own session"
    """These three are for Session Manager."""


@dataclass(frozen=True)
class Target:
    """The resources of one kind that an action acts on.

    Attributes:
        which: Which of them.
        kind: The Service Authorization Reference's word for an EC2 resource, as ``instance``; a
            value of ``SpecResource``; or ``*`` where AWS cannot limit the action to resources.
    """

    which: Which
    kind: str


@dataclass(frozen=True)
class Permission:
    """One action, and the resources that it acts on.

    Attributes:
        action: As ``ec2:RunInstances``.
        targets: AWS refuses a call if one of them is not allowed.
        called: Whether amikiln calls it; otherwise AWS requires it besides.
    """

    action: str
    targets: tuple[Target, ...]
    called: bool = True


DECLARED: dict[str, tuple[Permission, ...]] = {}
"""What each method needs, by its module and name, as ``amikiln.aws.images.Images.tag``."""


def needs(
    action: str, *targets: Target, implies: Sequence[Permission] = ()
) -> Callable[[Method], Method]:
    """Declare an action that the decorated method calls; one line for each of them.

    Args:
        action: As ``ec2:RunInstances``.
        targets: What it acts on.
        implies: What AWS requires besides. Tags on new resources need not be declared: ``new``
            implies them.
    """

    def declare(method: Method) -> Method:
        name = f"{method.__module__}.{method.__qualname__}"
        permissions = (Permission(action, targets), *implies, *DECLARED.get(name, ()))
        DECLARED[name] = permissions
        return method

    return declare


def everything(*kinds: str) -> Iterator[Target]:
    """Return targets without a limit."""
    return (Target(Which.ALL, kind) for kind in kinds)


def ours(*kinds: str) -> Iterator[Target]:
    """Return targets that need to have the image's tag."""
    return (Target(Which.OURS, kind) for kind in kinds)


def new(*kinds: str) -> Iterator[Target]:
    """Return targets that the call creates and tags.

    Tags in the call that creates a resource need ec2:CreateTags as well, which the condition key
    ``ec2:CreateAction`` limits to such calls:
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html
    """
    return (Target(Which.NEW, kind) for kind in kinds)


def from_spec(*things: SpecResource) -> Iterator[Target]:
    """Return targets that the spec names."""
    return (Target(Which.FROM_SPEC, thing.value) for thing in things)


NO_RESOURCE_LEVEL = Target(Which.ALL, "*")
"""AWS allows such an action on all resources or on none."""


def implied_permission(action: str, *targets: Target) -> Permission:
    """Return a permission that AWS requires besides the action that is called."""
    return Permission(action, targets, called=False)


ENCRYPTION = tuple(
    implied_permission(f"kms:{action}", *from_spec(SpecResource.ENCRYPTION_KEY))
    for action in (
        "CreateGrant",
        "Decrypt",
        "DescribeKey",
        "GenerateDataKeyWithoutPlaintext",
        "ReEncryptFrom",
        "ReEncryptTo",
    )
)
"""What volumes and snapshots need that are encrypted with a key of the account.

https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html
"""

SPOT_REQUEST = "spot-instances-request"
"""A kind of resource that RunInstances creates only for a Spot instance."""

PASS_ROLE = (implied_permission("iam:PassRole", *from_spec(SpecResource.ROLE)),)
"""What giving a machine an instance profile needs.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
"""

SESSION_MANAGER = (
    implied_permission(
        "ssm:StartSession",
        *from_spec(SpecResource.SESSION_DOCUMENT, SpecResource.MANAGED_INSTANCE),
    ),
    implied_permission("ssm:TerminateSession", *from_spec(SpecResource.OWN_SESSION)),
)
"""What ssh through Session Manager needs.

https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-restrict-access-examples.html
"""
