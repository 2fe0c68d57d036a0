"""The spec's tables about registries: who logs in where, and what stands in for which."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from amikiln.spec.types import ACCOUNT, REGION, HostName, SecretName, SpecTable, match

DOCKER_HUB = "docker.io"
PUBLIC_ECR = "public.ecr.aws"
ECR_HOST = re.compile(
    rf"(?P<account>{ACCOUNT})\.dkr[.-]ecr(-fips)?\.(?P<region>{REGION})\.(amazonaws\.com(\.cn)?|on\.aws)"
)
"""https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html"""


class PasswordLogin(SpecTable):
    """A user and a password or token, whose value is given to the run as a secret."""

    username: Annotated[
        str, *match(r"^[^\s:\x00-\x1f]+$", "a user name without spaces and colons", 256)
    ]
    """The user's name at the registry."""
    secret: SecretName
    """The name of the password or token among those of ``--secrets-fd``."""


Login = Literal["ecr", "docker"] | PasswordLogin
"""ecr: by the run's own AWS credentials. docker: the login that Docker has on this machine."""


def check_logins(logins: Mapping[str, Login]) -> Mapping[str, Login]:
    """Refuse ECR's way of logging in where there is no ECR.

    Raises:
        ValueError: The first fault, with the registry's host.
    """
    for host, login in logins.items():
        if login == "ecr" and host != PUBLIC_ECR and not ECR_HOST.fullmatch(host):
            raise ValueError(
                f"{host} is no registry of ECR, as {'1' * 12}.dkr.ecr.us-east-1.amazonaws.com:"
                " give {username, secret}, or docker"
            )
    return logins


Logins = Annotated[
    Mapping[HostName, Login],
    AfterValidator(check_logins),
    Field(description="by registry: ecr, docker, or {username, secret}"),
]


def check_mirrors(mirrors: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    """Refuse a registry that stands in for itself, or for which nothing stands in.

    Raises:
        ValueError: The first fault, with the registry's host.
    """
    for host, others in mirrors.items():
        if not others:
            raise ValueError(f"{host} has no mirror: name one, or leave it out")
        if host in others:
            raise ValueError(f"{host} cannot be a mirror of itself")
    return mirrors


Mirrors = Annotated[
    Mapping[HostName, Annotated[tuple[HostName, ...], Field(strict=False)]],
    AfterValidator(check_mirrors),
    Field(description="by registry, as docker.io: the hosts to ask first"),
]


def registry_of(reference: str) -> str:
    """Return the registry's host of an image reference.

    As the distribution project reads it: a first part without a dot, a colon or capitals, other
    than ``localhost``, is a name on Docker Hub (https://pkg.go.dev/github.com/distribution/reference).
    """
    first, slash, _ = reference.partition("/")
    is_host = any(sign in first for sign in ".:") or first == "localhost" or first != first.lower()
    host = first if slash and is_host else DOCKER_HUB
    return DOCKER_HUB if host == "index.docker.io" else host
