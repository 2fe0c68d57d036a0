"""Starts a machine's supervisor in namespaces of its own, and slirp4netns beside it.

slirp4netns alone stays outside, for it is the way to the internet; it ends when a pipe closes
whose other end the supervisor holds. So nothing is left when the supervisor ends, however it does.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from amikiln_localcloud.children import Launcher
from amikiln_localcloud.machines.container.network import MTU_BYTES
from amikiln_localcloud.machines.contract import MachineFailure
from amikiln_localcloud.machines.unix_sockets import connect_to

SOURCE = Path(__file__).parents[3]

GUEST_ADDRESS = "10.0.2.15"
START_SECONDS = 30.0
LONGEST_MESSAGE = 65536

SUPERVISE = """
import sys
sys.path.insert(0, sys.argv[1])
from amikiln_localcloud.machines.container.supervisor import main
main(int(sys.argv[2]))
"""
"""Without the site's packages, which it does not need: a tenth of a second less for each boot."""


class Child(Protocol):
    """A process that was started: subprocess.Popen, or one whose owner is root."""

    @property
    def pid(self) -> int: ...

    def kill(self) -> None: ...

    def wait(self, timeout: float | None = None) -> int: ...


@dataclass(frozen=True)
class Started:
    """A supervisor that has its network.

    Attributes:
        channel: Orders go in, messages come out: see supervisor.py.
        listeners: Sockets that listen in the machine's network, in the order that was asked for.
        process: What holds the namespaces, seen from outside: it ends with them, and they with it.
        network: slirp4netns.
    """

    channel: socket.socket
    listeners: Sequence[socket.socket]
    process: Child
    network: Child


def start(
    *,
    directory: Path,
    enter: Sequence[str],
    memory_mib: int,
    cores: int,
    nspawn: Sequence[str],
    address: str,
    listen: Sequence[str],
    launcher: Launcher,
) -> Started:
    """Start a supervisor, and give it a network.

    Args:
        directory: The machine's.
        enter: What runs a program in the machine's control group: the words before its own.
        memory_mib: What the machine may use.
        cores: How many of the host's processors the machine may use.
        nspawn: The command that boots the machine.
        address: The host's address whose port 22 leads to the machine's.
        listen: Link-local addresses on which the machine asks the host.
        launcher: Starts the processes.

    Raises:
        MachineFailure: Something did not start; why, in its own words.
        OSError: A file cannot be made.
    """
    for log in ("machine.log", "slirp.log"):
        (directory / log).write_bytes(b"")  # what is quoted from them is about this boot
    with contextlib.ExitStack() as ours:
        channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        undo = ours.enter_context(contextlib.ExitStack())
        undo.callback(channel.close)
        ours.enter_context(theirs)
        reading, writing = os.pipe()
        ours.callback(os.close, reading)
        with _closing(writing):
            process = launcher.start(
                _command(enter, theirs.fileno()),
                directory / "machine.log",
                pass_fds=[theirs.fileno(), writing],
            )
        undo.callback(_end, process)
        # unshare asks for its child's end with its own a moment after it made the child.
        ending = threading.Thread(target=_end_with, args=(process, channel), daemon=True)
        ending.start()
        theirs.close()
        wanted = {
            "directory": str(directory),
            "namespaces": {
                kind: os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "mnt", "pid")
            },
            "processors": sorted(os.sched_getaffinity(0))[:cores],
            "memory_mib": memory_mib,
            "listen": list(listen),
            "nspawn": list(nspawn),
        }
        channel.settimeout(START_SECONDS)
        with contextlib.suppress(BrokenPipeError):  # it has ended: receive says so
            channel.send(json.dumps(wanted).encode())
        _, (namespace,) = receive(channel, "namespaces", directory)
        with _closing(namespace):
            network = _start_network(directory, namespace, reading, launcher)
            undo.callback(_end, network)
        _forward_ssh(directory, address)
        with contextlib.suppress(BrokenPipeError):  # it has ended, and said why
            channel.send(b"tap")
        _, descriptors = receive(channel, "listening", directory)
        listeners = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        channel.settimeout(None)
        undo.pop_all()
        return Started(channel, listeners, process, network)


def _end_with(process: subprocess.Popen[bytes], channel: socket.socket) -> None:
    """Let a supervisor go whose outer process was killed: it ends when it hears nothing more."""
    process.wait()
    with contextlib.suppress(OSError):
        channel.shutdown(socket.SHUT_RDWR)


def read_message(channel: socket.socket) -> tuple[Mapping[str, Any] | None, Sequence[int]]:
    """Return a supervisor's next message, None if it is gone, and the descriptors beside it."""
    try:
        raw, descriptors, _, _ = socket.recv_fds(channel, LONGEST_MESSAGE, 8)
    except ConnectionResetError:  # it is gone, with an order that it did not read
        return None, []
    return json.loads(raw) if raw else None, descriptors


def receive(
    channel: socket.socket, event: str, directory: Path
) -> tuple[Mapping[str, Any], Sequence[int]]:
    """Return the supervisor's next message and the descriptors that came with it.

    Raises:
        MachineFailure: It is another message than the one that was to come.
    """
    try:
        message, descriptors = read_message(channel)
    except TimeoutError as error:
        raise MachineFailure(
            f"the machine gave no sign of {event} in {START_SECONDS:.0f} s"
        ) from error
    message = message or {"event": "ended", "why": "the supervisor ended"}
    if message["event"] != event:
        for descriptor in descriptors:
            os.close(descriptor)
        raise MachineFailure(f"the machine did not start: {message.get('why')}{_log(directory)}")
    return message, descriptors


def _command(enter: Sequence[str], channel: int) -> list[str]:
    """Return what enters the control groups, then the namespaces, and is the supervisor then."""
    # cgroup 2 alone, and nothing of version 1: every release of systemd sees the same in there.
    # Where the host has it so, it is there already, and the kernel refuses to mount it once more.
    groups_inside = """[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] ||
        mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit
    exec "$@"
    """
    namespaces = ["--mount", "--net", "--ipc", "--uts", "--pid", "--mount-proc"]
    argv = ["unshare", *namespaces, "--propagation=private", "--fork", "--kill-child=KILL"]
    argv += ["sh", "-c", groups_inside, "sh"]
    argv += [sys.executable, "-I", "-S", "-B", "-c", SUPERVISE, str(SOURCE), str(channel)]
    return [*enter, *argv]


def _start_network(
    directory: Path, namespace: int, exit_pipe: int, launcher: Launcher
) -> subprocess.Popen[bytes]:
    """Run slirp4netns on the namespace; return when it serves.

    https://github.com/rootless-containers/slirp4netns/blob/master/slirp4netns.1.md
    """
    ready, telling = os.pipe()
    folder = os.open(directory, os.O_PATH)  # for a short path: see unix_sockets.py
    log = directory / "slirp.log"
    (directory / "slirp").unlink(missing_ok=True)
    with _closing(ready), _closing(folder):
        with _closing(telling):
            argv = ["slirp4netns", "--netns-type=path", f"--mtu={MTU_BYTES}"]
            argv += ["--disable-host-loopback", f"--api-socket=/proc/self/fd/{folder}/slirp"]
            argv += [f"--exit-fd={exit_pipe}", f"--ready-fd={telling}"]
            argv += [f"/proc/self/fd/{namespace}", "tap0"]
            process = launcher.start(argv, log, pass_fds=[namespace, exit_pipe, telling, folder])
        readable, _, _ = select.select([ready], [], [], START_SECONDS)
        if not readable or not os.read(ready, 1):
            _end(process)
            raise MachineFailure(f"slirp4netns did not start: {_last_line(log)}")
    return process


def _forward_ssh(directory: Path, address: str) -> None:
    """Let port 22 of an address of the host's lead to the machine's."""
    forward = {
        "proto": "tcp",
        "host_addr": address,
        "host_port": 22,
        "guest_addr": GUEST_ADDRESS,
        "guest_port": 22,
    }
    with connect_to(directory / "slirp") as asking:
        asking.settimeout(START_SECONDS)
        asking.send(json.dumps({"execute": "add_hostfwd", "arguments": forward}).encode())
        raw = asking.recv(LONGEST_MESSAGE)
    answer = json.loads(raw) if raw else {"error": {"desc": "slirp4netns ended"}}
    if "error" in answer:
        raise MachineFailure(f"port 22 of {address} cannot be forwarded: {answer['error']['desc']}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _log(directory: Path) -> str:
    said = _last_line(directory / "machine.log")
    return f" ({said})" if said else ""


def _last_line(log: Path) -> str:
    """Return the last line that is no more than a hint to the one before: those are indented."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line for line in reversed(lines) if line.strip() and not line[0].isspace()), "")
