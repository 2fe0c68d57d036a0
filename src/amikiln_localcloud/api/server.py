"""Answers the AWS API on loopback: moto with the overrides, one request at a time."""

from __future__ import annotations

import io
import logging
import re
import threading
import time
import urllib.parse
from collections.abc import Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from amikiln_localcloud.api.cloud import Cloud
from amikiln_localcloud.api.install import install, install_on_demand
from amikiln_localcloud.api.late import find_names
from amikiln_localcloud.api.refusals import Environment, StartResponse, refuse
from amikiln_localcloud.api.served import CODE, explain_refusal, find_service, require_served
from amikiln_localcloud.home import LOOPBACK

log = logging.getLogger("amikiln.requests")

LARGEST_REQUEST = 16 * 2**20
STOP_LATENCY_SECONDS = 0.05
READ_ONLY = ("Describe", "Get", "List")
IDENTITY = "x-amikiln-cloud"
"""The header that tells clients that this is not AWS, and which local cloud it is."""
LOOPBACK_NAMES = (LOOPBACK, "localhost")
SHOWS_LATE = re.compile(r"/(ec2|ssm)/aws4_request")
"""The services whose clients see new things late, where the cloud has that switch on."""
ERROR_CODE = re.compile(rb"<Code>([\w.]+)</Code>|\"__type\": ?\"([\w.#]+)\"")


class Server:
    """Serves one cloud until it is stopped.

    Args:
        cloud: What the requests act on; its lock is held during each of them.
        port: 0 takes a free one.
    """

    def __init__(self, cloud: Cloud, port: int = 0) -> None:
        self._cloud = cloud
        with cloud.lock:
            install(cloud)
        self._moto = Dispatcher()
        self._port = port
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port, once started."""
        return int(self._server.server_port) if self._server else self._port

    @property
    def endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start to answer.

        Raises:
            OSError: The port is taken.
        """
        self._server = make_server(
            LOOPBACK, self._port, self._answer, threaded=True, request_handler=QuietHandler
        )
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": STOP_LATENCY_SECONDS},
            name="requests",
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop answering requests, and destroy every machine."""
        if self._server and self._thread:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
        with self._cloud.change():
            # The machines that end now are neither recorded nor replaced.
            self._cloud.state_file.write()
            self._cloud.closing = True
        self._cloud.worker.finish()
        self._cloud.hypervisor.close()

    def _answer(self, environ: Environment, start_response: StartResponse) -> Iterable[bytes]:
        began = time.monotonic()
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > LARGEST_REQUEST:
            return refuse(environ, start_response, 413, "RequestTooLarge", "the request is too big")
        # Read before the lock is taken: a slow client delays nobody else.
        body = environ["wsgi.input"].read(length) if length else b""
        environ["wsgi.input"] = io.BytesIO(body)
        action = _get_action(environ, body)
        response: dict[str, str] = {}

        def record_status(status: str, headers: Any, *rest: Any) -> Any:
            response["status"] = status
            return start_response(status, [*headers, (IDENTITY, self._cloud.identity)], *rest)

        answer = self._act(environ, action, body, record_status)
        status = response["status"].split()[0]
        code = "" if status.startswith("2") else _find_error_code(answer)
        milliseconds = (time.monotonic() - began) * 1000
        log.info("%s %s%s %.0f ms", action or environ["PATH_INFO"], status, code, milliseconds)
        return answer

    def _act(
        self, environ: Environment, action: str, body: bytes, start_response: StartResponse
    ) -> list[bytes]:
        host = environ.get("HTTP_HOST", "").rsplit(":", 1)[0]
        if host not in LOOPBACK_NAMES:
            # A web page whose name was pointed at loopback (DNS rebinding).
            return refuse(environ, start_response, 403, "AccessDenied", f"not served as {host}")
        if environ["PATH_INFO"].startswith("/moto-api"):
            return refuse(environ, start_response, 404, "NotFound", "moto's own API is not served")
        try:
            require_served(_get_service(environ), action, body)
            with self._cloud.change(persistent=not action.startswith(READ_ONLY)):
                if self._cloud.closing:
                    return refuse(environ, start_response, 503, "Unavailable", "shutting down")
                late = self._cloud.late
                if not late.seconds or not SHOWS_LATE.search(environ.get("HTTP_AUTHORIZATION", "")):
                    return list(self._moto(environ, start_response))
                named = find_names(body)
                if refusal := late.find_refusal(action, named):
                    return refuse(environ, start_response, 400, *refusal)
                with late.hide(action, named):
                    return list(self._moto(environ, start_response))
        except NotImplementedError as error:
            why = explain_refusal(error, action)
            log.warning("%s: %s", action or environ["PATH_INFO"], why)
            status = 501 if environ["REQUEST_METHOD"] == "HEAD" else 400
            return refuse(environ, start_response, status, CODE, why)
        except Exception:
            log.exception("%s failed", action)
            why = "the local cloud failed; its log has the details"
            return refuse(environ, start_response, 500, "InternalError", why)


class Dispatcher(DomainDispatcherApplication):
    """Finds a request's service once; moto lists its own folder for that with each request."""

    def __init__(self) -> None:
        super().__init__(_create_app)
        self._services: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        if host not in self._services:
            self._services[host] = super().get_backend_for_host(host)
        return self._services[host]


class QuietHandler(WSGIRequestHandler):
    """Leaves the request log to ``Server``: werkzeug's goes to the console."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        """Log werkzeug's errors, without the request's content."""
        if type == "error":
            log.warning("%s", message.split("\n", 1)[0] % args)


def _create_app(service: Any) -> Any:
    install_on_demand(service)
    return create_backend_app(service)


def _get_service(environ: Environment) -> str:
    return find_service(environ.get("HTTP_AUTHORIZATION", ""), environ.get("QUERY_STRING", ""))


def _get_action(environ: Environment, body: bytes) -> str:
    if target := str(environ.get("HTTP_X_AMZ_TARGET", "")):
        return target.rpartition(".")[2]
    found = re.search(rb"(?:^|&)Action=(\w+)", body)
    if found:
        return found.group(1).decode()
    query = urllib.parse.parse_qs(str(environ.get("QUERY_STRING", "")))
    return query.get("Action", [""])[0]


def _find_error_code(answer: Iterable[bytes]) -> str:
    found = ERROR_CODE.search(b"".join(answer)[:4096])
    return " " + (found.group(1) or found.group(2)).decode() if found else ""
