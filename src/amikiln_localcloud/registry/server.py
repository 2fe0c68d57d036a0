"""Runs the container registry on loopback from which guests pull: Debian's docker-registry.

Its configuration: https://distribution.github.io/distribution/about/configuration/
"""

from __future__ import annotations

import http.client
import json
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path

from amikiln.errors import LocalCloudError
from amikiln.runtime import process
from amikiln_localcloud.children import Launcher
from amikiln_localcloud.home import LOOPBACK, REGISTRY_NAME, Home

PROGRAM = "docker-registry"
START_SECONDS = 30
LOOK_SECONDS = 0.05
REQUEST_SECONDS = 10
PORT_TRIES = 3
START_HEADER = "X-Amikiln-Start"

MANIFEST_KINDS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)


class Registry:
    """One registry process, and the files that say where it listens.

    Args:
        home: Has the directory of the blobs, the configuration and the log.
        launcher: Starts the process.
    """

    def __init__(self, home: Home, launcher: Launcher) -> None:
        self._home = home
        self._launcher = launcher
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def address(self) -> str:
        """``127.0.0.1:PORT``, once started."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def logins(self) -> Path:
        """A file of htpasswd(1) with bcrypt: if it is there, the registry wants a login."""
        return self._home.registry / "htpasswd"

    @property
    def log(self) -> Path:
        return self._home.registry / "registry.log"

    def start(self) -> None:
        """Start the registry on a free port and return when it answers.

        Raises:
            LocalCloudError: It ended at once, or did not answer in time.
            process.CommandMissing: docker-registry is not installed.
        """
        if shutil.which(PROGRAM) is None:
            raise process.CommandMissing(PROGRAM)
        self._home.registry.mkdir(parents=True, exist_ok=True)
        for _ in range(PORT_TRIES):
            # Another process may take the port before the registry listens on it.
            self._port = _free_port()
            if self._start_on_port():
                self._home.registries_conf.write_text(render_registries_conf(self.address))
                return
        raise LocalCloudError(
            f"the local registry does not start: {_last_line(self.log)}",
            hint=f"its log is {self.log}",
        )

    def close(self) -> None:
        """End the registry's process; its blobs stay."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=REQUEST_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _start_on_port(self) -> bool:
        config = self._home.registry / "config.json"
        blobs = self._home.registry / "blobs"
        # Another cloud's registry may have the port: an answer has to show that it is this one's.
        start_id = secrets.token_hex(8)
        settings = _configure(self._port, blobs, start_id)
        if self.logins.exists():
            settings["auth"] = {"htpasswd": {"realm": "registry", "path": str(self.logins)}}
        config.write_text(json.dumps(settings, indent=2))
        self._process = self._launcher.start([PROGRAM, "serve", str(config)], self.log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                return False
            if _answers(self._port, start_id):
                return True
            time.sleep(LOOK_SECONDS)
        self.close()
        raise LocalCloudError(
            f"the local registry did not answer on {self.address}"
            f" within {START_SECONDS} s of its start",
            hint=f"its log is {self.log}",
        )


def render_registries_conf(address: str) -> str:
    """Return the file with which skopeo on the host finds the registry by its name.

    Source: https://github.com/containers/image/blob/main/docs/containers-registries.conf.5.md
    """
    return (
        "# Written by amikiln when its local cloud starts.\n"
        "[[registry]]\n"
        f'prefix = "{REGISTRY_NAME}"\n'
        f'location = "{address}"\n'
        "insecure = true\n"
    )


def wants_login(address: str) -> bool:
    """Tell whether the registry at a ``host:port`` answers nobody without a login.

    Raises:
        LocalCloudError: The registry does not answer.
    """
    return _ask(address, "GET", "/v2/").status == 401


def find_digest(address: str, repository: str, tag: str) -> str | None:
    """Return the digest that a tag names now, as ``sha256:...``; None if there is no such tag.

    Args:
        address: The registry's ``host:port``.
        repository: The image's name without the registry.
        tag: The tag.

    Raises:
        LocalCloudError: The registry does not answer.
    """
    answer = _ask(address, "HEAD", f"/v2/{repository}/manifests/{tag}")
    return answer.getheader("Docker-Content-Digest") if answer.status == 200 else None


def _ask(address: str, method: str, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(address, timeout=REQUEST_SECONDS)
    try:
        connection.request(method, path, headers={"Accept": ", ".join(MANIFEST_KINDS)})
        return connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        raise LocalCloudError(
            f"the local registry at {address} does not answer: {error}",
            hint="amikiln cloud down, then amikiln cloud up",
        ) from error
    finally:
        connection.close()


def _configure(port: int, blobs: Path, start_id: str) -> dict[str, object]:
    # JSON is YAML, which docker-registry reads.
    return {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(blobs)},
            "delete": {"enabled": True},
            "cache": {"blobdescriptor": "inmemory"},
        },
        "http": {"addr": f"{LOOPBACK}:{port}", "headers": {START_HEADER: [start_id]}},
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _answers(port: int, start_id: str) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=REQUEST_SECONDS)
    try:
        connection.request("GET", "/v2/")
        answer = connection.getresponse()
        # 401: it wants a login, and is there all the same.
        return answer.status in {200, 401} and answer.getheader(START_HEADER) == start_id
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return next((line for line in reversed(lines) if line.strip()), "it wrote nothing")
