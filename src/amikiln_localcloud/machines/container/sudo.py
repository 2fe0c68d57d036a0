"""For a user who may become root by sudo without a password: root's part of a machine.

The local cloud stays the user's, with its files, logs and sockets. For each machine one process
runs as root, started by ``sudo -n``; it hears orders on the socket that is its stdin (sudo closes
all other descriptors), and ends with all that it started when the socket closes, however the local
cloud ends. Programs that it runs are root's, found in root's own PATH.
"""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from amikiln_localcloud.machines.container.keeper import Wanted
from amikiln_localcloud.machines.container.namespaces import Started, read_message
from amikiln_localcloud.machines.contract import MachineFailure

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What sudo's own secure_path usually is: sudoers(5)."""
ANSWER_SECONDS = 60.0
ASK_SECONDS = 30.0
KILLED = -9

RUN = """
import sys
sys.path[:] = sys.argv[2:]
from amikiln_localcloud.machines.container import root
root.main(sys.argv[1])
"""


def is_needed() -> bool:
    """Tell whether this process is a user's, for whom sudo has to do root's part."""
    return os.geteuid() != 0


def build_command(task: str) -> list[str]:
    """Return the command that does one of root.py's tasks as root.

    No byte code is written: it would be root's, in a folder of the user's.
    """
    python = [sys.executable, "-I", "-B", "-c", RUN, task, *(path for path in sys.path if path)]
    return ["sudo", "-n", "--", "env", "-i", f"PATH={PATH}", "LC_ALL=C.UTF-8", *python]


def ask(task: str, argument: str = "") -> str | None:
    """Let root do a task to its end.

    Args:
        task: One of root.py's.
        argument: What it is given.

    Returns:
        What it answered: JSON's string or null.

    Raises:
        MachineFailure: sudo does not let this user, or the task failed.
    """
    try:
        done = subprocess.run(
            build_command(task),
            input=argument,
            capture_output=True,
            text=True,
            check=True,
            timeout=ASK_SECONDS,
        )
        answer: str | None = json.loads(done.stdout)
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().rpartition("\n")[2] or f"exit code {error.returncode}"
        raise MachineFailure(said) from error
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise MachineFailure(f"sudo: {error}") from error
    return answer


class RemoteChild:
    """A process that root's part of a machine has started."""

    def __init__(self, keeper: SudoKeeper, name: str, pid: int) -> None:
        self._keeper = keeper
        self._name = name
        self._ended = threading.Event()
        self._code = KILLED
        self.pid = pid

    def kill(self) -> None:
        """End it, if it has not ended."""
        self._keeper.send({"order": "kill", "name": self._name})

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code.

        Raises:
            TimeoutExpired: It has not ended in so many seconds.
        """
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(self._name, timeout or 0.0)
        return self._code

    def note_end(self, code: int) -> None:
        """Remember how it ended, the first time."""
        if not self._ended.is_set():
            self._code = code
            self._ended.set()


class SudoKeeper:
    """Has root's part of one machine done by a process of root's.

    Args:
        instance_id: The machine's.
        log: What the process writes goes there.
    """

    def __init__(self, instance_id: str, log: Path) -> None:
        self._instance_id = instance_id
        self._log = log
        self._channel: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[tuple[Mapping[str, Any] | None, Sequence[int]]]
        self._children: dict[str, RemoteChild] = {}
        self._lock = threading.Lock()

    def start(self, wanted: Wanted) -> Started:
        """Start root's process, and have it start the supervisor."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, self._log.open("ab") as log:
            self._process = subprocess.Popen(
                build_command("keep"),
                stdin=theirs.fileno(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._channel = ours
        self._answers = queue.SimpleQueue()
        self._children = {}
        threading.Thread(target=self._listen, args=(ours,), name="root", daemon=True).start()
        order = asdict(wanted) | {"directory": str(wanted.directory), "id": self._instance_id}
        try:
            _, descriptors = self._call(order)
        except MachineFailure:
            self.end()
            raise
        channel, *listeners = (socket.socket(fileno=descriptor) for descriptor in descriptors)
        return Started(channel, listeners, self._children["process"], self._children["network"])

    def restrict(self) -> None:
        """From now on the host's devices and settings are out of the machine's reach."""
        self._call({"order": "restrict"})

    def read_memory_mib(self) -> int:
        """Return what its processes use."""
        answer, _ = self._call({"order": "memory"})
        return int(answer["mib"])

    def start_freezer(self, root: int, until: int, told: int) -> None:
        """Start the process, as root."""
        self._call({"order": "freeze"}, root, until, told)

    def end(self) -> None:
        """Let root's process end, which kills what is left of the machine, and wait for it."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.shutdown(socket.SHUT_RDWR)
        if self._process is not None:
            self._process.wait()
        if channel is not None:
            channel.close()

    def send(self, message: Mapping[str, Any], *descriptors: int) -> bool:
        """Send root's process an order; return whether it is there to hear it."""
        channel = self._channel
        if channel is None:
            return False
        try:
            socket.send_fds(channel, [json.dumps(message).encode()], descriptors)
        except OSError:
            return False
        return True

    def _call(
        self, message: Mapping[str, Any], *descriptors: int
    ) -> tuple[Mapping[str, Any], Sequence[int]]:
        """Send an order, and return its answer.

        Raises:
            MachineFailure: It could not be done; why.
        """
        with self._lock:
            answer: Mapping[str, Any] | None = None
            received: Sequence[int] = ()
            if self.send(message, *descriptors):
                try:
                    answer, received = self._answers.get(timeout=ANSWER_SECONDS)
                except queue.Empty:
                    raise MachineFailure("root's part of the machine does not answer") from None
        if answer is None:
            raise MachineFailure(f"root's part of the machine ended{self._read_last_words()}")
        if "failure" in answer:
            raise MachineFailure(answer["failure"])
        return answer, received

    def _read_last_words(self) -> str:
        said = self._log.read_text(errors="replace").strip().rpartition("\n")[2]
        return f": {said}" if said else ""

    def _listen(self, channel: socket.socket) -> None:
        while True:
            try:
                message, descriptors = read_message(channel)
            except OSError:
                message, descriptors = None, ()
            if message is None:
                break
            if "ended" in message:
                self._children[message["ended"]].note_end(message["code"])
                continue
            if "pids" in message:
                self._children = {
                    name: RemoteChild(self, name, pid) for name, pid in message["pids"].items()
                }
            self._answers.put((message, descriptors))
        for child in self._children.values():
            child.note_end(KILLED)
        self._answers.put((None, ()))
