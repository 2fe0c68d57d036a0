"""The logins of a spec's registries: found, and written as Docker's configuration.

Whoever resolves a tag or pulls on a machine uses these and no others, so that what plan can read
a machine can pull.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amikiln.aws.errors import AwsFailure, explain
from amikiln.errors import AmikilnError, PreflightError
from amikiln.runtime import process
from amikiln.session import Session
from amikiln.spec.registries import DOCKER_HUB, ECR_HOST, Login, PasswordLogin
from amikiln.spec.spec import Spec

HELPER_SECONDS = 30
HUB_KEY = "https://index.docker.io/v1/"
"""Docker's name for Docker Hub in its configuration."""
IDENTITY_TOKEN_USER = "<token>"  # noqa: S105  (a user's name)
"""What a credential helper calls the user of an identity token.

https://docs.docker.com/reference/cli/docker/login/#credential-helper-protocol
"""


@dataclass(frozen=True)
class Credentials:
    """A user and a password or token, as one registry takes them."""

    username: str
    password: str = field(repr=False)


def find_logins(spec: Spec, session: Session) -> Mapping[str, Credentials]:
    """Return the credentials of each registry that a spec names, by its host.

    Raises:
        PreflightError: Some cannot be had: all of them at once, each with its key.
    """
    found: dict[str, Credentials] = {}
    faults = []
    for host, login in spec.docker.logins.items():
        try:
            found[host] = _find_login(host, login, session)
        except AwsFailure as error:
            faults.append(f'docker.logins."{host}": {explain(error)[0]}')
        except (OSError, ValueError, LookupError, AmikilnError) as error:
            faults.append(f'docker.logins."{host}": {error}')
    if faults:
        raise PreflightError("\n".join(faults), hint="correct [docker.logins], or log in")
    return found


def render_docker_config(logins: Mapping[str, Credentials]) -> bytes:
    """Return a ``config.json`` of Docker with these logins and nothing else.

    skopeo reads the same (containers-auth.json(5)).
    """
    entries: dict[str, dict[str, str]] = {}
    for host, login in logins.items():
        key = HUB_KEY if host == DOCKER_HUB else host
        if login.username == IDENTITY_TOKEN_USER:
            entries[key] = {"auth": _encode(login.username, ""), "identitytoken": login.password}
        else:
            entries[key] = {"auth": _encode(login.username, login.password)}
    return json.dumps({"auths": entries}).encode()


def find_docker_directory() -> Path:
    """Return where Docker's client keeps its configuration and plugins on this machine."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def _find_login(host: str, login: Login, session: Session) -> Credentials:
    if isinstance(login, PasswordLogin):
        if login.secret not in session.secrets:
            raise LookupError(
                f"the secret {login.secret} is not given: write it as JSON to the file of"
                " --secrets-fd"
            )
        return Credentials(login.username, session.secrets[login.secret])
    if login == "docker":
        return _ask_docker(host)
    private = ECR_HOST.fullmatch(host)
    ecr = session.cloud.ecr
    return Credentials(*(ecr.get_login(private["region"]) if private else ecr.get_public_login()))


def _ask_docker(host: str) -> Credentials:
    """Return the login that Docker on this machine has, wherever it keeps it.

    A credential store, which skopeo does not ask, is asked by its own protocol.
    """
    directory = find_docker_directory()
    config: Any = json.loads((directory / "config.json").read_text())
    key = HUB_KEY if host == DOCKER_HUB else host
    helper = config.get("credHelpers", {}).get(key) or config.get("credsStore")
    if helper:
        done = process.run(
            [f"docker-credential-{helper}", "get"],
            input=key.encode(),
            timeout_seconds=HELPER_SECONDS,
        )
        said = json.loads(done.stdout)
        return Credentials(said["Username"], said["Secret"])
    entry = config.get("auths", {}).get(key, {})
    if entry.get("identitytoken"):
        return Credentials(IDENTITY_TOKEN_USER, entry["identitytoken"])
    if not entry.get("auth"):
        raise LookupError(f"Docker has no login for it in {directory / 'config.json'}")
    username, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
    return Credentials(username, password)


def _encode(username: str, password: str) -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()
