"""The instance metadata service, spoken to over its socket."""

from __future__ import annotations

import dataclasses
import http.client
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from amikiln_localcloud.machines.contract import InstanceMetadata
from amikiln_localcloud.machines.imds import (
    TOKEN_HEADER,
    TTL_HEADER,
    MetadataService,
    look_up,
)
from amikiln_localcloud.machines.unix_sockets import listen_on
from localcloud import any_kind

METADATA = dataclasses.replace(
    any_kind.METADATA,
    instance_id="i-0123456789abcdef0",
    public_keys={"deploy": "ssh-ed25519 AAAA deploy"},
    user_data=b"#!/bin/sh\nexit 0\n",
)


@dataclass
class Guest:
    """Asks one service, whose metadata and clock the test sets."""

    directory: Path
    metadata: InstanceMetadata = METADATA
    seconds: float = 0.0
    service: MetadataService = field(init=False)

    def __post_init__(self) -> None:
        path = self.directory / "imds"
        self.service = MetadataService(listen_on(path), lambda: self.metadata, lambda: self.seconds)

    def ask(
        self, path: str, *, method: str = "GET", headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection("169.254.169.254")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.directory / "imds"))
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body

    def token(self, ttl_seconds: int = 60) -> str:
        status, token = self.ask(
            "/latest/api/token", method="PUT", headers={TTL_HEADER: str(ttl_seconds)}
        )
        assert status == 200
        return token


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Guest]:
    guest = Guest(tmp_path)
    yield guest
    guest.service.close()


def test_without_a_token_nothing_is_answered(guest: Guest) -> None:
    assert guest.ask("/latest/meta-data/instance-id")[0] == 401
    assert guest.ask("/latest/user-data", headers={TOKEN_HEADER: "made-up"})[0] == 401


def test_a_token_opens_the_tree_until_it_expires(guest: Guest) -> None:
    headers = {TOKEN_HEADER: guest.token(60)}
    assert guest.ask("/latest/meta-data/instance-id", headers=headers) == (
        200,
        "i-0123456789abcdef0",
    )
    guest.seconds = 59
    assert guest.ask("/latest/meta-data/instance-id", headers=headers)[0] == 200
    guest.seconds = 60
    assert guest.ask("/latest/meta-data/instance-id", headers=headers)[0] == 401


def test_where_no_token_is_required_a_false_one_is_still_refused(guest: Guest) -> None:
    guest.metadata = replace(METADATA, token_required=False)
    assert guest.ask("/latest/meta-data/ami-id") == (200, "ami-0123456789abcdef0")
    assert guest.ask("/latest/meta-data/ami-id", headers={TOKEN_HEADER: "made-up"})[0] == 401


@pytest.mark.parametrize("ttl", ["", "0", "21601", "-1", "soon", "²"])
def test_a_token_needs_a_life_of_one_second_to_six_hours(guest: Guest, ttl: str) -> None:
    headers = {TTL_HEADER: ttl.encode().decode("latin-1")}
    assert guest.ask("/latest/api/token", method="PUT", headers=headers)[0] == 400


def test_who_forwards_requests_gets_no_token(guest: Guest) -> None:
    headers = {TTL_HEADER: "60", "X-Forwarded-For": "10.0.0.1"}
    assert guest.ask("/latest/api/token", method="PUT", headers=headers)[0] == 403


def test_what_is_not_there_is_not_found(guest: Guest) -> None:
    headers = {TOKEN_HEADER: guest.token()}
    for path in ("/latest/meta-data/iam/", "/sometime/meta-data/", "/latest/meta-data/ami-id/x"):
        assert guest.ask(path, headers=headers)[0] == 404
    guest.metadata = replace(METADATA, user_data=b"", public_keys={})
    assert guest.ask("/latest/user-data", headers=headers)[0] == 404
    assert guest.ask("/latest/meta-data/public-keys/", headers=headers)[0] == 404


def test_changed_metadata_is_answered_at_once(guest: Guest) -> None:
    headers = {TOKEN_HEADER: guest.token()}
    guest.metadata = replace(METADATA, public_ip="127.0.1.9")
    assert guest.ask("/latest/meta-data/public-ipv4", headers=headers) == (200, "127.0.1.9")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/latest", "dynamic/\nmeta-data/\nuser-data"),
        ("/2021-03-23/meta-data/instance-type", "t3.large"),
        ("/latest/meta-data/placement/", "availability-zone\nregion"),
        ("/latest/meta-data/placement/region", "us-east-1"),
        ("/latest/meta-data/public-keys/", "0=deploy"),
        ("/latest/meta-data/public-keys/0/", "openssh-key"),
        ("/latest/meta-data/public-keys/0/openssh-key", "ssh-ed25519 AAAA deploy\n"),
        ("/latest/user-data", "#!/bin/sh\nexit 0\n"),
        ("/latest/meta-data/local-hostname", "ip-10-1-2-3"),
    ],
)
def test_the_tree_is_as_on_ec2(path: str, found: str) -> None:
    body = look_up(METADATA, path)
    assert body is not None
    assert sorted(body.decode().split("\n")) == sorted(found.split("\n"))


def test_the_identity_document_names_the_machine() -> None:
    document = json.loads(look_up(METADATA, "/latest/dynamic/instance-identity/document") or b"")
    assert document["instanceId"] == METADATA.instance_id
    assert document["accountId"] == METADATA.account_id
    assert document["region"] == "us-east-1"


def test_a_deep_directory_is_no_hindrance(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    service = MetadataService(listen_on(deep / "imds"), lambda: METADATA)
    service.close()
    assert (deep / "imds").is_socket()
