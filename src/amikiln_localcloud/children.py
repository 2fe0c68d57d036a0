"""Starts child processes that the kernel kills when this process ends, even if it is killed."""

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

SYSTEM_PROGRAMS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def find_system_programs() -> None:
    """Let this process and its children find debugfs, e2fsck and others like them.

    Anybody may run them on files of one's own, but on Debian they are not on a user's PATH.
    """
    known = os.environ.get("PATH", os.defpath).split(os.pathsep)
    more = [folder for folder in SYSTEM_PROGRAMS if folder not in known]
    os.environ["PATH"] = os.pathsep.join([*known, *more])


@dataclass(frozen=True)
class _Order:
    argv: Sequence[str]
    output: Path
    pass_fds: Sequence[int]
    started: Future[subprocess.Popen[bytes]]


class Launcher:
    """Starts all children from one thread, which lives as long as the process.

    The kernel sends a parent-death signal when the *thread* that started the child ends
    (prctl(2), PR_SET_PDEATHSIG): a child started by a request's thread would die with it.
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
            pass_fds: File descriptors that stay open in the child, under the same numbers.

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


def die_with_parent(argv: Sequence[str], parent: int | None = None) -> list[str]:
    """Return the arguments that run a program so that the kernel kills it when its parent ends.

    The signal is not sent if the parent ended before it was asked for. The program therefore
    starts only if it still is the parent's child.

    Args:
        argv: The program and its arguments.
        parent: The parent's process id; this process by default.
    """
    begin = '[ "$PPID" = "$0" ] && exec "$@"'
    parent = os.getpid() if parent is None else parent
    return ["setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", begin, str(parent), *argv]


def _start(order: _Order) -> subprocess.Popen[bytes]:
    with order.output.open("ab") as output:
        return subprocess.Popen(
            die_with_parent(order.argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=order.pass_fds,
            # Ctrl-C must reach the daemon alone, which then ends its children.
            start_new_session=True,
        )


def end_recorded_processes(pid_file: Path, directory: Path) -> None:
    """Kill the process whose id is in a file, if it is still the one that was started.

    Process ids are reused, so the command line has to name the machine's directory.

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
        # Read after the handle was opened: it cannot be another process's by now.
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
        if f"{directory}/".encode() in arguments:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], END_SECONDS)
    except OSError:
        pass  # it ended by itself
    finally:
        os.close(handle)
