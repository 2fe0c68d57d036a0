"""Serves one machine's instance metadata, as EC2 does, on a listening socket.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html
"""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import secrets
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

from amikiln_localcloud.machines.contract import InstanceMetadata

Tree = Mapping[str, "str | bytes | Tree"]

TOKEN_HEADER = "X-aws-ec2-metadata-token"  # noqa: S105  (a header's name)
TTL_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"
LONGEST_TTL_SECONDS = 6 * 3600
VERSIONS = ("2009-04-04", "2016-09-02", "2018-09-24", "2021-03-23", "latest")


class MetadataService:
    """Answers one machine's requests until it is closed.

    Args:
        listener: A listening socket; it is closed together with the service.
        metadata: Called for each request.
        clock: Returns seconds, for the expiry of tokens.
    """

    def __init__(
        self,
        listener: socket.socket,
        metadata: Callable[[], InstanceMetadata],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.metadata = metadata
        self._clock = clock
        self._tokens: dict[str, float] = {}
        self._server = _Server(listener, self)
        self._closed = False
        self._thread = threading.Thread(target=self._accept, name="imds", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._closed = True
        # Wakes the thread at once. BaseServer.shutdown would wait for serve_forever's next poll.
        with contextlib.suppress(OSError):
            self._server.socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.server_close()

    def create_token(self, ttl_seconds: int) -> str:
        """Return a token with which the metadata can be read for this many seconds."""
        now = self._clock()
        for old in [token for token, expiry in list(self._tokens.items()) if expiry <= now]:
            self._tokens.pop(old, None)
        token = secrets.token_urlsafe(42)
        self._tokens[token] = now + ttl_seconds
        return token

    def is_allowed(self, token: str | None) -> bool:
        """Return whether a request with this token, or with none, may read the metadata."""
        if token is None:
            return not self.metadata().token_required
        return self._tokens.get(token, 0.0) > self._clock()

    def _accept(self) -> None:
        while not self._closed:
            with contextlib.suppress(OSError):
                self._server.process_request(*self._server.get_request())


def look_up(metadata: InstanceMetadata, path: str) -> bytes | None:
    """Return the content at a path such as ``/latest/meta-data/``; None if there is none.

    A directory's content is a list of its entries, one a line; sub-directories end with a slash.
    """
    parts = [part for part in path.split("/") if part]
    if not parts:
        return "\n".join(VERSIONS).encode()
    if parts[0] != "latest" and not re.fullmatch(r"\d{4}-\d\d-\d\d", parts[0]):
        return None
    if parts[1:] == ["meta-data", "public-keys"] and metadata.public_keys:
        return "\n".join(f"{i}={name}" for i, name in enumerate(metadata.public_keys)).encode()
    found: str | bytes | Tree = _tree(metadata)
    for part in parts[1:]:
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    if isinstance(found, Mapping):
        found = "\n".join(f"{k}/" if isinstance(v, Mapping) else k for k, v in found.items())
    return found.encode() if isinstance(found, str) else found


def _tree(metadata: InstanceMetadata) -> Tree:
    tree: dict[str, str | bytes | Tree] = {
        "meta-data": _meta_data(metadata),
        "dynamic": {"instance-identity": {"document": _identity_document(metadata)}},
    }
    if metadata.user_data:
        tree["user-data"] = metadata.user_data
    return tree


def _meta_data(metadata: InstanceMetadata) -> Tree:
    tree: dict[str, str | bytes | Tree] = {
        "ami-id": metadata.ami_id,
        "ami-launch-index": "0",
        "hostname": metadata.host_name,
        "instance-action": "none",
        "instance-id": metadata.instance_id,
        "instance-life-cycle": "on-demand",
        "instance-type": metadata.instance_type,
        "local-hostname": metadata.host_name,
        "local-ipv4": metadata.private_ip,
        "placement": {
            "availability-zone": metadata.availability_zone,
            "region": metadata.region,
        },
        "public-ipv4": metadata.public_ip,
        "reservation-id": "r-" + metadata.instance_id.removeprefix("i-"),
        "services": {"domain": "amazonaws.com", "partition": "aws"},
    }
    if metadata.public_keys:
        tree["public-keys"] = {
            str(number): {"openssh-key": key.strip() + "\n"}
            for number, key in enumerate(metadata.public_keys.values())
        }
    return dict(sorted(tree.items()))


def _identity_document(metadata: InstanceMetadata) -> str:
    document = {
        "accountId": metadata.account_id,
        "architecture": "x86_64",
        "availabilityZone": metadata.availability_zone,
        "imageId": metadata.ami_id,
        "instanceId": metadata.instance_id,
        "instanceType": metadata.instance_type,
        "privateIp": metadata.private_ip,
        "region": metadata.region,
        "version": "2017-09-30",
    }
    return json.dumps(document, indent=2)


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True

    def __init__(self, listener: socket.socket, service: MetadataService) -> None:
        self.service = service
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    server_version = "EC2ws"
    sys_version = ""

    def do_PUT(self) -> None:
        if self.path != "/latest/api/token":
            return self._answer(HTTPStatus.METHOD_NOT_ALLOWED)
        if "X-Forwarded-For" in self.headers:
            # A proxy must not get a token for its clients, as on EC2.
            return self._answer(HTTPStatus.FORBIDDEN)
        ttl = self.headers.get(TTL_HEADER, "")
        if not ttl.isascii() or not ttl.isdigit() or not 1 <= int(ttl) <= LONGEST_TTL_SECONDS:
            return self._answer(HTTPStatus.BAD_REQUEST)
        token = self.server.service.create_token(int(ttl))
        return self._answer(HTTPStatus.OK, token.encode(), {TTL_HEADER: ttl})

    def do_GET(self) -> None:
        if not self.server.service.is_allowed(self.headers.get(TOKEN_HEADER)):
            return self._answer(HTTPStatus.UNAUTHORIZED)
        found = look_up(self.server.service.metadata(), self.path.partition("?")[0])
        if found is None:
            return self._answer(HTTPStatus.NOT_FOUND)
        return self._answer(HTTPStatus.OK, found)

    def _answer(
        self, status: HTTPStatus, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing: guests ask often."""
