"""What tests use to reach into guests."""

from __future__ import annotations

import http.server
import itertools
import socket
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from amikiln.runtime import process
from amikiln.runtime.progress import PlainReporter
from amikiln.runtime.wait import Waiter
from amikiln_localcloud.machines.contract import InstanceMetadata, Machine
from amikiln_localcloud.machines.guest_values import RegistryAddress
from localcloud.any_kind import METADATA

BOOT_SECONDS = 300.0


@dataclass(frozen=True)
class KeyPair:
    """An ssh key on disk."""

    private: Path

    @classmethod
    def make(cls, directory: Path, name: str) -> KeyPair:
        private = directory / name
        process.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", private])
        return cls(private)

    @property
    def public(self) -> str:
        return self.private.with_suffix(".pub").read_text().strip()


@dataclass(frozen=True)
class Shell:
    """Runs commands in a guest."""

    machine: Machine
    key: KeyPair

    def run(self, command: str, *, user: str = "root", timeout_seconds: float = 120) -> str:
        """Return what the command wrote to stdout, stripped."""
        options = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
            "LogLevel": "ERROR",
            "ConnectTimeout": "10",
        }
        argv = ["ssh", "-F", "none", "-i", str(self.key.private)]
        for name, value in options.items():
            argv += ["-o", f"{name}={value}"]
        target = f"{user}@{self.machine.address}"
        done = process.run([*argv, target, command], timeout_seconds=timeout_seconds)
        return done.stdout.decode().strip()

    def succeeds(self, command: str, **options: str) -> bool:
        """Tell whether the command exited with 0."""
        try:
            self.run(command, **options)
        except process.CommandFailed:
            return False
        return True

    def wait(self, boot_id_to_pass: str = "") -> str:
        """Wait until somebody can log in, and return the boot's id.

        Args:
            boot_id_to_pass: The id of a boot that is about to end.
        """

        patience = itertools.chain((0.5, 1, 2, 4), itertools.repeat(10.0))

        def booted() -> str | None:
            if not self._greets(next(patience)):
                return None
            try:
                found = self.run("cat /proc/sys/kernel/random/boot_id", timeout_seconds=30)
            except process.CommandFailed:
                return None
            return found if found != boot_id_to_pass else None

        waiter = Waiter(PlainReporter())
        return waiter.until(booted, what="ssh answers", deadline_seconds=BOOT_SECONDS)

    def _greets(self, seconds: float) -> bool:
        """Tell whether sshd answers: ssh itself waits long for one that is not there yet."""
        try:
            with socket.create_connection((self.machine.address, 22), timeout=seconds) as server:
                return bool(server.recv(1))
        except OSError:
            return False

    def wait_until_started(self) -> str:
        """Wait until all units have been started; return systemd's word for how that went."""
        return self.run("systemctl is-system-running --wait || true", timeout_seconds=BOOT_SECONDS)


def metadata(
    instance_id: str, key: KeyPair, user_data: str = "", *, token_required: bool = True
) -> InstanceMetadata:
    """Return a test instance's metadata."""
    return replace(
        METADATA,
        instance_id=instance_id,
        token_required=token_required,
        public_keys={key.private.name: key.public},
        user_data=user_data.encode(),
    )


class GuestRegistry:
    """A web server on loopback, where guests look for the container registry."""

    def __enter__(self) -> Self:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Greeting)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def place(self) -> RegistryAddress:
        return RegistryAddress("127.0.0.1", self._server.server_port)


class _Greeting(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"registry asked for {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass
