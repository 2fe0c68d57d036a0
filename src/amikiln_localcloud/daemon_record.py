"""What the daemon tells about itself, and whether it is still that daemon who told it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

READY_DESCRIPTOR = "AMIKILN_READY_DESCRIPTOR"
"""Environment variable: the pipe on which a daemon tells that it is ready."""


@dataclass(frozen=True)
class DaemonRecord:
    """The content of daemon.json.

    Attributes:
        started_ticks: The process's start in clock ticks since boot: a process id alone
            may be another process's by now.
        registry: The container registry's ``host:port``.
        version: amikiln's version.
    """

    pid: int
    started_ticks: int
    port: int
    registry: str
    version: str

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_alive(self) -> bool:
        return started_ticks(self.pid) == self.started_ticks

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read(path: Path) -> DaemonRecord | None:
    """Return the record in a file, or None if there is none that makes sense."""
    try:
        return DaemonRecord(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def started_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if it is gone.

    Source: proc_pid_stat(5), field 22; a zombie (state Z) counts as gone.
    """
    try:
        # The program's name, in parentheses, may hold spaces.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def open_process(pid: int) -> int | None:
    """Return a descriptor that becomes readable when the process ends; None if it has ended."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None
