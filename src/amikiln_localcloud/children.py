"""Starts programs that must not outlive this process, even when it is killed."""

from __future__ import annotations

import os
import queue
import select
import signal
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

END_SECONDS = 10.0


@dataclass(frozen=True)
class _Order:
    argv: Sequence[str]
    output: Path
    pass_fds: Sequence[int]
    started: Future[subprocess.Popen[bytes]]


class Launcher:
    """One thread that starts all children, and lives as long as the process.

    The kernel sends a parent-death signal when the *thread* that started the child ends
    (prctl(2), PR_SET_PDEATHSIG): a child of a request's thread would die with the request.
    """

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[_Order] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="launcher", daemon=True).start()

    def start(
        self, argv: Sequence[str], output: Path, *, pass_fds: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        """Start a program that the kernel kills when this process ends.

        Args:
            argv: The program and its arguments.
            output: The file that its stdout and stderr are appended to.
            pass_fds: File descriptors that stay open in the child, with their numbers.

        Returns:
            The child; its process id is the program's own.

        Raises:
            OSError: ``output`` cannot be opened, or there is no setpriv(1).
        """
        order = _Order(argv, output, pass_fds, Future())
        self._orders.put(order)
        return order.started.result()

    def _work(self) -> None:
        while True:
            order = self._orders.get()
            try:
                order.started.set_result(_start(order))
            except BaseException as error:
                order.started.set_exception(error)


def dying_with(parent: int, argv: Sequence[str]) -> list[str]:
    """Return what runs a program as a child that dies with its parent.

    A parent that ended before the signal was asked for sends none any more: then the program,
    which looks whose child it is, does not even begin.

    Args:
        parent: The parent's process id.
        argv: The program and its arguments.
    """
    begin = '[ "$PPID" = "$0" ] && exec "$@"'
    return ["setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", begin, str(parent), *argv]


def _start(order: _Order) -> subprocess.Popen[bytes]:
    with order.output.open("ab") as output:
        return subprocess.Popen(
            dying_with(os.getpid(), order.argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=order.pass_fds,
            # Ctrl-C on the daemon's terminal is the daemon's to answer.
            start_new_session=True,
        )


def end_recorded_processes(pid_file: Path, directory: Path) -> None:
    """Kill the process named in a file, if it is still the one that was started.

    Process ids are used again: the command line has to name the machine's directory.

    Args:
        pid_file: Holds a process id, as QEMU's -pidfile writes it.
        directory: The directory that was in the arguments of the process.
    """
    try:
        pid = int(pid_file.read_text())
        handle = os.pidfd_open(pid)
    except (OSError, ValueError):
        return
    try:
        # Looked at after the handle is open: it cannot be another process by now.
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
        if f"{directory}/".encode() in arguments:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], END_SECONDS)
    except OSError:
        pass  # it ended by itself
    finally:
        os.close(handle)
