"""A machine that commands can be run in, whatever it is reached by.

``machine.ssh`` reaches one over OpenSSH; tests put a fake in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from amikiln.errors import AmikilnError


class GuestUnreachable(AmikilnError):
    """Logging in failed: the machine, the network, or a key that is not the one we gave."""


class GuestCommandFailed(AmikilnError):
    """A command in the machine failed.

    Attributes:
        exit_code_seen: Its exit code; None if it was ended at its deadline.
        tail: The last lines that it wrote.
    """

    def __init__(self, what: str, exit_code_seen: int | None, tail: str) -> None:
        how = "ran out of time" if exit_code_seen is None else f"exited with {exit_code_seen}"
        super().__init__(f"{what} {how}")
        self.exit_code_seen = exit_code_seen
        self.tail = tail


class Guest(Protocol):
    """A machine that commands can be run in, as root."""

    def knock(self) -> str | None:
        """Try to log in once; return None when logged in, else why not."""

    def run(
        self, command: str, *, input: bytes | IO[bytes] | None = None, timeout_seconds: float
    ) -> str:
        """Run a shell command as root and return its stdout.

        Args:
            command: For ``sh -c``.
            input: What it reads from stdin: nothing by default.
            timeout_seconds: Give up after this long.

        Raises:
            GuestUnreachable: The connection failed.
            GuestCommandFailed: The command exited with another code than 0.
        """

    def stream(
        self, command: str, on_line: Callable[[str], None], *, timeout_seconds: float
    ) -> None:
        """Run a shell command as root and hand over each line it writes, as it comes.

        Raises:
            GuestUnreachable: The connection failed.
            GuestCommandFailed: The command exited with another code than 0.
        """

    def leave(self) -> None:
        """Log out."""


@dataclass(frozen=True)
class Login:
    """How to log in to one machine."""

    address: str
    """An IP address; or the instance's id, where Session Manager connects."""
    user: str
    key_directory: Path
    """Where the machine's keys are: see ``machine.keys``."""
    proxy_command: str | None = None
    """Carries ssh's bytes (ssh_config(5)); None: ssh connects by itself."""
