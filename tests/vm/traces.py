"""What a machine may leave on its host, and the processes that it consists of."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from amikiln.runtime import process
from amikiln.runtime.progress import PlainReporter
from amikiln.runtime.wait import DeadlinePassed, Waiter
from amikiln_localcloud.machines.addresses import SSH_PORT
from amikiln_localcloud.machines.disk_machine import DiskMachine

CLEAN_SECONDS = 5.0
"""How long the kernel may take to detach what nobody uses any more."""

SUPERVISOR = "the supervisor"


def descendants(pid: int) -> Iterator[tuple[int, int, list[str]]]:
    """Yield the processes below one: each with its parent and its arguments."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # it has just ended
            for child in map(int, children.read_text().split()):
                arguments = Path(f"/proc/{child}/cmdline").read_text().split("\0")
                yield child, pid, arguments
                yield from descendants(child)


def find_process(name: str, below: int) -> int | None:
    """Return the id of a machine's process.

    Args:
        name: A program's name, or ``SUPERVISOR``.
        below: The process that started the machine.
    """
    for pid, parent, arguments in descendants(below):
        program = Path(arguments[0]).name
        if name == SUPERVISOR:
            if program.startswith("python") and parent != below:
                return pid
        elif program == name:
            return pid
    return None


def await_process(name: str, below: int, within_seconds: float = 30) -> int:
    """Return a machine's process as soon as it exists."""
    deadline = time.monotonic() + within_seconds
    while (pid := find_process(name, below)) is None:
        assert time.monotonic() < deadline, f"there is no {name}"
    return pid


def kill_when_there(name: str, below: int) -> None:
    """Kill a machine's process as soon as it exists."""
    os.kill(await_process(name, below), signal.SIGKILL)


def processes_of(directory: Path) -> list[int]:
    """Return the processes that name a file of a machine's."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            if f"{directory}/".encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
    return found


def traces_of(directory: Path, address: str) -> list[str]:
    """Return what is left of a machine on the host, apart from its directory."""
    found = []
    mark = f"{directory}/"
    if mark in Path("/proc/self/mounts").read_text():
        found.append("a mount")
    devices = process.run(["losetup", "--list", "--noheadings", "--output=BACK-FILE"])
    for backing in devices.stdout.decode().splitlines():
        # "/" is a file whose mount is gone: nobody can tell any more whose it was.
        if mark in backing or backing.strip() == "/":
            found.append(f"a loop device on {backing}")
    found += [str(group) for group in Path("/sys/fs/cgroup").glob(f"**/amikiln-{directory.name}*")]
    found += [f"process {pid}" for pid in processes_of(directory)]
    with socket.socket() as knocking:
        if knocking.connect_ex((address, SSH_PORT)) == 0:
            found.append(f"somebody who listens on {address}")
    return found


def await_no_traces(directory: Path, address: str) -> None:
    """Wait a moment until nothing is left of a machine."""
    left: list[str] = []

    def look() -> bool | None:
        left[:] = traces_of(directory, address)
        return not left or None

    try:
        Waiter(PlainReporter()).until(look, what="nothing is left", deadline_seconds=CLEAN_SECONDS)
    except DeadlinePassed:
        raise AssertionError(f"left of {directory.name}: {left}") from None


def await_no_traces_of(machine: DiskMachine) -> None:
    """Wait a moment until nothing is left of a machine but its disk."""
    await_no_traces(machine._files.directory, machine.address)
