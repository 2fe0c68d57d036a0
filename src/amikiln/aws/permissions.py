"""What each call needs in IAM, said beside the code that makes it.

``needs`` marks a method with the action that it calls, what that acts on, and what AWS asks for
besides. ``amikiln export iam-policy`` grants what is declared, and nothing else; the tests hold
the declarations to the calls. What an action acts on is AWS's own list:
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
    """AWS knows no narrower way, or nothing is changed by it."""
    OURS = "ours"
    """What carries the image's tag already."""
    NEW = "new"
    """What is made, and gets the image's tag in the same call."""
    NAMED = "named"
    """What the spec names."""


class Named(Enum):
    """What a spec names, by an id, by a path, or as a key given beside it."""

    SOURCE_IMAGE = "source image"
    SUBNET = "subnet"
    SECURITY_GROUP = "security group"
    POINTER = "pointer"
    SETTINGS = "settings"
    """The parameters that hold ids for the spec."""
    LEASE = "lease"
    LEASE_TERMS = "lease terms"
    ENCRYPTION_KEY = "encryption key"


@dataclass(frozen=True)
class Target:
    """What an action acts on.

    Attributes:
        which: Which of them.
        kind: The Service Authorization Reference's word for an EC2 resource, as ``instance``; a
            value of ``Named`` where the spec names it; ``*`` where AWS knows no resource level.
    """

    which: Which
    kind: str


@dataclass(frozen=True)
class Permission:
    """One action, on what it acts.

    Attributes:
        action: As ``ec2:RunInstances``.
        targets: All of them: AWS refuses a call if one of them is not allowed.
        called: Whether our code calls it itself; else AWS asks for it besides.
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
        implies: What AWS asks for besides. Tags on what is made need not be said: they are
            implied by ``new``.
    """

    def declare(method: Method) -> Method:
        name = f"{method.__module__}.{method.__qualname__}"
        permissions = (Permission(action, targets), *implies, *DECLARED.get(name, ()))
        DECLARED[name] = permissions
        return method

    return declare


def everything(*kinds: str) -> Iterator[Target]:
    """Return targets that are not narrowed."""
    return (Target(Which.ALL, kind) for kind in kinds)


def ours(*kinds: str) -> Iterator[Target]:
    """Return targets that have to carry the image's tag."""
    return (Target(Which.OURS, kind) for kind in kinds)


def new(*kinds: str) -> Iterator[Target]:
    """Return targets that the call makes and tags.

    Tags in the call that makes a resource need ec2:CreateTags as well, which the condition key
    ``ec2:CreateAction`` limits to such calls:
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html
    """
    return (Target(Which.NEW, kind) for kind in kinds)


def named(*things: Named) -> Iterator[Target]:
    """Return targets that the spec names."""
    return (Target(Which.NAMED, thing.value) for thing in things)


NO_RESOURCE_LEVEL = Target(Which.ALL, "*")
"""AWS allows such an action on everything or on nothing."""


def implied(action: str, *targets: Target) -> Permission:
    """Return what AWS asks for besides the action that is called."""
    return Permission(action, targets, called=False)


ENCRYPTION = tuple(
    implied(f"kms:{action}", *named(Named.ENCRYPTION_KEY))
    for action in (
        "CreateGrant",
        "Decrypt",
        "DescribeKey",
        "GenerateDataKeyWithoutPlaintext",
        "ReEncryptFrom",
        "ReEncryptTo",
    )
)
"""What volumes and snapshots need that a key of the account's own encrypts.

https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html
"""
