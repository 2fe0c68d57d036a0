"""One machine over ssh: wait for it, copy to it, run in it."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from amikiln.aws.connect import connect
from amikiln.aws.recent import Recent
from amikiln.errors import AmikilnError
from amikiln.machine.keys import Keys
from amikiln.runtime import process
from amikiln.runtime.guest import GuestCommandFailed, GuestUnreachable, Login
from amikiln.runtime.progress import Reporter, reporter_for_stderr
from amikiln.runtime.wait import Waiter
from amikiln.session import Session

PORT = 22
CONNECT_SECONDS = 20
FIRST_GREETING_SECONDS = 0.4
GREETING_GROWTH = 1.2
"""How long a server has for its greeting: at first, and how much longer at each knock."""
SSH_FAILED = 255
"""ssh's own exit code (ssh(1)); every other one is the remote command's."""


def open_session(
    region: str,
    report: Reporter | None = None,
    waiter: Waiter | None = None,
    *,
    secrets: Mapping[str, str] | None = None,
    lease_wait_seconds: float = 0,
) -> Session:
    """Return a session with AWS, which logs in to its machines with OpenSSH.

    Credentials and endpoint are found as boto3 finds them.

    Args:
        region: An AWS region, as ``us-east-1``.
        report: What is going on is written here; to stderr by default.
        waiter: Has waited before the session began; a new one by default.
        secrets: The warm build's secrets by their ids.
        lease_wait_seconds: How long to wait for another run of the same image to end.

    Raises:
        botocore.exceptions.BotoCoreError: No credentials, or no endpoint answers.
        botocore.exceptions.ClientError: STS refuses the credentials.
    """
    report = report or reporter_for_stderr()
    waiter = waiter or Waiter(report)
    return Session(
        cloud=connect(region, recent=Recent(waiter)),
        report=report,
        waiter=waiter,
        connect=SshGuest,
        secrets=secrets or {},
        lease_wait_seconds=lease_wait_seconds,
    )


class SshGuest:
    """A guest over OpenSSH, with one connection that all commands share.

    Only the host key that was given to the machine is accepted, and the user's own ssh
    configuration, agent and known hosts play no part.
    """

    def __init__(self, login: Login) -> None:
        directory, keys = login.key_directory, Keys(login.key_directory)
        known_hosts = directory / "known_hosts"
        known_hosts.write_text(f"{login.address} {keys.public(keys.host)}\n")
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": known_hosts,
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "ConnectTimeout": CONNECT_SECONDS,
            "ServerAliveInterval": 15,
            "ServerAliveCountMax": 8,
            "ControlPath": directory / "connection",
            "LogLevel": "ERROR",
        }
        if login.proxy_command is not None:
            options["ProxyCommand"] = login.proxy_command
        self._address = login.address
        self._has_proxy = login.proxy_command is not None
        self._greeting_seconds = FIRST_GREETING_SECONDS
        self._has_left = False
        self._target = f"{login.user}@{login.address}"
        self._sudo = "" if login.user == "root" else "sudo -n "
        self._ssh: list[str | Path] = ["ssh", "-F", "none", "-i", keys.ours]
        for name, value in options.items():
            self._ssh += ["-o", f"{name}={value}"]

    def knock(self) -> str | None:
        refusal = None if self._has_proxy else self._await_greeting()
        if refusal is not None:
            return refusal
        try:
            # -f returns once logged in and leaves the shared connection behind.
            process.run(
                [*self._ssh, "-f", "-N", "-M", self._target], timeout_seconds=3 * CONNECT_SECONDS
            )
        except process.CommandFailed as error:
            return error.tail.strip().rsplit("\n", 1)[-1] or error.what
        self._has_left = False
        return None

    def _await_greeting(self) -> str | None:
        """Return None if an ssh server greets (RFC 4253, 4.2), else why not.

        ssh itself would wait for long: a forwarded port takes connections before anything listens
        behind it, and a connection that came too early is not noticed for seconds afterwards.
        """
        seconds = self._greeting_seconds
        self._greeting_seconds = min(seconds * GREETING_GROWTH, CONNECT_SECONDS)
        try:
            with socket.create_connection((self._address, PORT), timeout=seconds) as connection:
                greeted = bool(connection.recv(1))
        except TimeoutError:
            return f"nothing greets on port {PORT} within {seconds:.1f} s"
        except OSError as error:
            return f"port {PORT}: {error.strerror or error}"
        return None if greeted else f"port {PORT} closes at once"

    def run(
        self, command: str, *, input: bytes | IO[bytes] | None = None, timeout_seconds: float
    ) -> str:
        try:
            done = process.run(self._argv(command), input=input, timeout_seconds=timeout_seconds)
        except process.CommandFailed as error:
            raise self._explained(command, error) from error
        return done.stdout.decode(errors="replace")

    def stream(
        self, command: str, on_line: Callable[[str], None], *, timeout_seconds: float
    ) -> None:
        try:
            process.stream(self._argv(command), on_line, timeout_seconds=timeout_seconds)
        except process.CommandFailed as error:
            raise self._explained(command, error) from error

    def leave(self) -> None:
        # Without the connection that it shares, another thread's command would make one of its own.
        self._has_left = True
        try:
            process.run([*self._ssh, "-O", "exit", self._target], timeout_seconds=CONNECT_SECONDS)
        except process.CommandFailed:
            # There is no connection (any more): that is what was wanted.
            return

    def _argv(self, command: str) -> list[str | Path]:
        if self._has_left:
            raise GuestUnreachable(f"no connection to {self._target} any more")
        return [*self._ssh, self._target, f"{self._sudo}sh -c {shlex.quote(command)}"]

    def _explained(self, command: str, error: process.CommandFailed) -> AmikilnError:
        if error.exit_code_seen == SSH_FAILED:
            return GuestUnreachable(f"lost the machine {self._target}: {error.tail}")
        return GuestCommandFailed(
            f"on {self._target}: {command.splitlines()[0][:80]}", error.exit_code_seen, error.tail
        )
