"""Logins: found where the spec says, and written as Docker and skopeo read them."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest

from amikiln.aws.ecr import Ecr
from amikiln.errors import PreflightError
from amikiln.machine.logins import Credentials, find_logins, render_docker_config
from amikiln.session import Session
from fakes import spec
from harness import Harness

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
HUB = "https://index.docker.io/v1/"


class FakeEcr:
    """boto3's clients of both kinds of ECR."""

    def __init__(self, service: str, region: str) -> None:
        self.service, self.region = service, region

    def get_authorization_token(self) -> dict[str, Any]:
        token = base64.b64encode(f"AWS:{self.service} of {self.region}".encode()).decode()
        entry = {"authorizationToken": token}
        return {"authorizationData": entry if self.service == "ecr-public" else [entry]}


def find(harness: Harness, logins: dict[str, Any], **secrets: str) -> dict[str, Credentials]:
    cloud = dataclasses.replace(harness.session.cloud, ecr=Ecr(FakeEcr))
    session = dataclasses.replace(harness.session, cloud=cloud, secrets=secrets)
    return dict(find_logins(spec(docker={"images": [], "logins": logins}), session))


def test_ecr_is_asked_in_the_registrys_own_region(harness: Harness) -> None:
    found = find(harness, {ECR: "ecr", "public.ecr.aws": "ecr"})
    assert found == {
        ECR: Credentials("AWS", "ecr of eu-west-1"),
        "public.ecr.aws": Credentials("AWS", "ecr-public of us-east-1"),
    }


def test_a_password_is_one_of_the_secrets(harness: Harness) -> None:
    logins = {"host.example": {"username": "ci", "secret": "token"}}
    assert find(harness, logins, token="hunter2") == {"host.example": Credentials("ci", "hunter2")}


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def login_of(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_docker_s_own_login_is_used_if_the_spec_says_so(harness: Harness, docker: Path) -> None:
    auths = {HUB: login_of("me", "my:own"), "token.example": {"identitytoken": "abc"}}
    (docker / "config.json").write_text(json.dumps({"auths": auths}))
    found = find(harness, {"docker.io": "docker", "token.example": "docker"})
    assert found["docker.io"] == Credentials("me", "my:own")
    assert json.loads(render_docker_config(found))["auths"] == {
        HUB: login_of("me", "my:own"),
        "token.example": {**login_of("<token>", ""), "identitytoken": "abc"},
    }


@pytest.mark.parametrize("config", [{"credsStore": "keys"}, {"credHelpers": {HUB: "keys"}}])
def test_a_credential_store_is_asked_by_its_protocol(
    harness: Harness, docker: Path, config: dict[str, Any]
) -> None:
    (docker / "config.json").write_text(json.dumps({"auths": {HUB: {}}, **config}))
    helper = docker / "docker-credential-keys"
    helper.write_text(
        "#!/bin/sh\n"
        f'[ "$1 $(cat)" = "get {HUB}" ] || exit 1\n'
        'printf \'{"ServerURL":"x","Username":"me","Secret":"stored"}\'\n'
    )
    helper.chmod(0o755)
    assert find(harness, {"docker.io": "docker"}) == {"docker.io": Credentials("me", "stored")}


def test_all_that_cannot_be_had_is_named_at_once_and_nothing_secret(
    harness: Harness, docker: Path
) -> None:
    (docker / "config.json").write_text('{"credHelpers": {"b.example": "gone"}, "auths": {}}')
    logins: dict[str, Any] = {
        "a.example": {"username": "ci", "secret": "token"},
        "b.example": "docker",
        "c.example": "docker",
    }
    with pytest.raises(PreflightError) as caught:
        find(harness, logins, another="hunter2")
    lines = caught.value.what.splitlines()
    assert [line.partition(":")[0] for line in lines] == [f'docker.logins."{h}"' for h in logins]
    assert "the secret token is not given" in lines[0]
    assert "docker-credential-gone" in lines[1]
    assert "Docker has no login for it" in lines[2]
    assert "hunter2" not in caught.value.what


def test_credentials_do_not_show_their_password() -> None:
    assert "hunter2" not in repr(Credentials("ci", "hunter2"))


def test_the_session_is_not_needed_where_there_is_no_login() -> None:
    nothing: Any = None
    session: Session = nothing
    assert find_logins(spec(), session) == {}
