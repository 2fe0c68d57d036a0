"""The first process of a container machine's namespaces: it mounts, boots, watches and ends.

Started by the local cloud below ``unshare`` (namespaces.py). All that it mounts and starts is
inside the namespaces, and goes with them when it ends, however it ends. It imports little, for it
is in the way of each boot.

It is given a connected socket, reads one JSON object from it (namespaces.py), and writes messages
of one JSON object each: what has happened. File descriptors travel beside them.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, NoReturn

from amikiln_localcloud.machines.container import boot_groups, hidden, network
from amikiln_localcloud.machines.container.commands import (
    BETWEEN_LOOKS_SECONDS,
    STOPPED_LOOKS,
    Refused,
)
from amikiln_localcloud.machines.container.storage import Storage

REBOOT_EXIT_CODE = 133
"""nspawn's with --keep-unit, when the system inside wants to boot again."""

PROBE_SECONDS = 5.0


class Supervisor:
    """One machine, from its namespaces to its end."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.wanted: dict[str, Any] = json.loads(channel.recv(1 << 20))
        self.directory = Path(self.wanted["directory"])
        self.storage = Storage(self.directory)
        self.machine: subprocess.Popen[bytes]
        self.boots = 0
        self.stopping = False

    def send(self, event: str, *descriptors: int, **details: Any) -> None:
        """Send the local cloud a message, and file descriptors with it."""
        line = json.dumps({"event": event, **details}).encode() + b"\n"
        socket.send_fds(self.channel, [line], descriptors)

    def receive(self) -> str:
        """Return the local cloud's next order; an empty one if it is gone."""
        return self.channel.recv(1 << 16).decode()

    def refuse_the_hosts_namespaces(self) -> None:
        """A network that is the host's would let the system inside configure the host's cards."""
        for kind, hosts in self.wanted["namespaces"].items():
            if os.readlink(f"/proc/self/ns/{kind}") == hosts:
                raise Refused(f"the {kind} namespace is the host's own")

    def make_network(self) -> None:
        """Let slirp4netns into our namespace, and hand over what listens in it."""
        with open("/proc/self/ns/net") as namespace:
            self.send("namespaces", namespace.fileno())
        if self.receive() != "tap":
            raise Refused("the network was not made")
        network.make_bridge()
        listeners = network.listen(self.wanted["listen"])
        self.send("listening", *(listener.fileno() for listener in listeners))
        for listener in listeners:
            listener.close()

    def boot(self) -> None:
        """Start systemd-nspawn; it ends with the system."""
        namespace = self.directory / "netns"
        network.make_cards(namespace, anew=self.boots > 0)
        hidden.mount_sys(self.storage.root, namespace)
        enter = boot_groups.make_boot_group(
            self.boots, self.wanted["memory_mib"], self.wanted["processors"]
        )
        self.boots += 1
        with open(self.directory / "console.log", "ab") as console:
            self.machine = subprocess.Popen(
                [*enter, *self.wanted["nspawn"]],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**os.environ, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"},
            )

    def watch(self) -> str:
        """Answer orders until the machine has ended; return why it did."""
        handles: dict[int, subprocess.Popen[bytes]] = {
            os.pidfd_open(child.pid): child for child in (*self.storage.processes, self.machine)
        }
        channel = self.channel.fileno()
        stopped = 0
        next_look = time.monotonic() + BETWEEN_LOOKS_SECONDS
        try:
            while True:
                left = max(0.0, next_look - time.monotonic())
                readable, _, _ = select.select([*handles, channel], [], [], left)
                if time.monotonic() >= next_look:
                    next_look = time.monotonic() + BETWEEN_LOOKS_SECONDS
                    loss = self.storage.find_stopped()
                    stopped = stopped + 1 if loss else 0
                    if loss and stopped == STOPPED_LOOKS:
                        return loss
                for handle in readable:
                    if handle == channel:
                        self.obey(self.receive())
                    elif handles[handle] is self.machine:
                        code = self.machine.wait()
                        if code == REBOOT_EXIT_CODE and not self.stopping:
                            return "reboot"
                        return "shutdown" if code == 0 else f"systemd-nspawn exited with {code}"
                    else:
                        return self.storage.find_loss() or "the disk is lost"
        finally:
            for handle in handles:
                os.close(handle)

    def obey(self, order: str) -> None:
        if order == "stop":
            self.stopping = True
            self.machine.send_signal(signal.SIGTERM)  # nspawn asks PID 1 to shut down
        elif order == "root":
            self.show_root()
        elif order == "probe":
            self.send("probed", alive=self.answers())
        elif not order:
            raise Refused("the local cloud is gone")

    def show_root(self) -> None:
        """Hand over the root folder, for the host to freeze what is below it: see freezer.py."""
        root = os.open(self.storage.root, os.O_RDONLY)
        try:
            self.send("root", root)
        finally:
            os.close(root)

    def answers(self) -> bool:
        """Ask PID 1 for its version: one that is stopped does not say it."""
        leader = self.leader()
        if leader is None:
            return False
        # From within its process namespace: systemd hears no process that it cannot see.
        ask = [
            "nsenter",
            f"--target={leader}",
            "--mount",
            "--pid",
            "systemctl",
            "show",
            "--property=Version",
        ]
        try:
            done = subprocess.run(
                ask, stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_SECONDS
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def leader(self) -> int | None:
        pid = self.machine.pid
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            return None
        return int(children[0]) if children else None

    def supervise(self) -> NoReturn:
        """Go through the machine's whole life, and end."""
        ending = "the supervisor failed"
        try:
            self.refuse_the_hosts_namespaces()
            os.sched_setaffinity(0, self.wanted["processors"])
            self.make_network()
            self.storage.mount()
            hidden.prepare()
            self.send("mounted")
            if self.receive() != "boot":
                raise Refused("the machine was not let in")
            while True:
                self.boot()
                self.send("running")
                ending = self.watch()
                if ending != "reboot":
                    break
            if ending == "shutdown":
                self.storage.unmount()
        except (Refused, OSError, subprocess.SubprocessError) as error:
            ending = self.storage.find_loss() or str(error)
        with contextlib.suppress(OSError):  # the local cloud is gone
            self.send("ended", why=ending)
        # PID 1 of a namespace: the kernel kills all others in it.
        os._exit(0 if ending == "shutdown" else 1)


def main(channel: int) -> NoReturn:
    """Be the supervisor whose other end is an inherited socket's."""
    Supervisor(socket.socket(fileno=channel)).supervise()
