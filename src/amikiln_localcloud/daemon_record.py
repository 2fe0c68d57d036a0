"""The file in which a running daemon says where it is, and whether that daemon still runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from amikiln.runtime.files import write_atomically
from amikiln_localcloud.home import LOOPBACK
from amikiln_localcloud.machines.notes import describe_limits

READY_DESCRIPTOR = "AMIKILN_READY_DESCRIPTOR"
"""Environment variable: the pipe on which a daemon reports that it is ready."""


class DaemonRecord(BaseModel):
    """The content of daemon.json.

    Attributes:
        started_ticks: When the process started, in clock ticks since boot: the process id alone
            may belong to another process by now.
        registry: The container registry's ``host:port``.
        version: amikiln's version.
        machines: The kind of its machines: kvm, container or emulated.
        machines_reason: Why that kind.
        late: How many seconds late new things are shown.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    pid: int
    started_ticks: int
    port: int
    registry: str
    version: str
    machines: str
    machines_reason: str
    late: float = 0

    @property
    def endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def is_alive(self) -> bool:
        return read_start_ticks(self.pid) == self.started_ticks

    def write(self, path: Path) -> None:
        """Replace the file, readable by its owner alone."""
        write_atomically(path, self.model_dump_json(), mode=0o600)


@dataclass(frozen=True)
class CloudStatus:
    """Whether a local cloud is up, and where.

    Attributes:
        endpoint: The AWS API's URL.
        registry: The container registry's ``host:port``.
        version: The version of amikiln that runs it.
        machines: The kind of its machines: kvm, container or emulated.
        machines_reason: Why that kind.
        machines_notes: What somebody who uses them should know, a line each.
        late: How many seconds late new things are shown.
    """

    running: bool
    pid: int | None = None
    endpoint: str | None = None
    registry: str | None = None
    version: str | None = None
    machines: str | None = None
    machines_reason: str | None = None
    machines_notes: tuple[str, ...] = ()
    late: float = 0


def describe(record: DaemonRecord) -> CloudStatus:
    """Return what a record says of its cloud, which is up."""
    return CloudStatus(
        running=True,
        pid=record.pid,
        endpoint=record.endpoint,
        registry=record.registry,
        version=record.version,
        machines=record.machines,
        machines_reason=record.machines_reason,
        machines_notes=describe_limits(record.machines),
        late=record.late,
    )


def read(path: Path) -> DaemonRecord | None:
    """Return the record in a file, or None if there is no valid one."""
    try:
        return DaemonRecord.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None


def read_start_ticks(pid: int) -> int | None:
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
