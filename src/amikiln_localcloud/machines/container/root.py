"""Root's part of a machine of a user's: see sudo.py, which starts it.

Orders and answers are JSON objects, one a message; descriptors travel beside them.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amikiln_localcloud.children import Launcher
from amikiln_localcloud.machines.container.cgroups import Hierarchies
from amikiln_localcloud.machines.container.keeper import RootKeeper, Wanted
from amikiln_localcloud.machines.container.namespaces import Child, Started, read_message
from amikiln_localcloud.machines.container.scope import enclose
from amikiln_localcloud.machines.contract import MachineFailure


class Service:
    """Obeys one machine's orders until nobody gives them any more."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._sending = threading.Lock()

    def serve(self) -> None:
        """Start the machine, obey, and end it."""
        order, _ = read_message(self._channel)
        if order is None:
            return
        keeper = _make_keeper(order["id"])
        try:
            started = keeper.start(
                Wanted(
                    directory=Path(order["directory"]),
                    memory_mib=order["memory_mib"],
                    cores=order["cores"],
                    nspawn=order["nspawn"],
                    address=order["address"],
                    listen=order["listen"],
                )
            )
        except (MachineFailure, OSError) as error:
            self._send({"failure": str(error)})
            return
        try:
            self._hand_over(started)
            children = {"process": started.process, "network": started.network}
            for name, child in children.items():
                threading.Thread(target=self._watch, args=(name, child), daemon=True).start()
            while True:
                order, descriptors = read_message(self._channel)
                if order is None:
                    break
                try:
                    self._send(self._obey(keeper, children, order, *descriptors))
                finally:
                    for descriptor in descriptors:
                        os.close(descriptor)
        finally:
            started.process.kill()
            started.process.wait()
            keeper.end()

    def _hand_over(self, started: Started) -> None:
        """Give away the supervisor's channel and the listeners: they are the local cloud's."""
        pids = {"process": started.process.pid, "network": started.network.pid}
        sockets = [started.channel, *started.listeners]
        self._send({"pids": pids}, *(each.fileno() for each in sockets))
        for each in sockets:
            each.close()

    def _obey(
        self,
        keeper: RootKeeper,
        children: Mapping[str, Child],
        order: Mapping[str, Any],
        *descriptors: int,
    ) -> Mapping[str, Any] | None:
        """Do what is ordered; return the answer, if one is waited for."""
        try:
            match order["order"]:
                case "kill":
                    children[order["name"]].kill()
                    return None
                case "restrict":
                    keeper.restrict()
                case "memory":
                    return {"mib": keeper.read_memory_mib()}
                case "freeze":
                    keeper.start_freezer(*descriptors)
        except Exception as error:  # the local cloud shows it with the machine that it is about
            return {"failure": str(error)}
        return {}

    def _watch(self, name: str, child: Child) -> None:
        self._send({"ended": name, "code": child.wait()})

    def _send(self, message: Mapping[str, Any] | None, *descriptors: int) -> None:
        if message is None:
            return
        with self._sending, contextlib.suppress(OSError):  # the local cloud is gone
            socket.send_fds(self._channel, [json.dumps(message).encode()], descriptors)


def _make_keeper(instance_id: str) -> RootKeeper:
    hierarchies = Hierarchies.of_this_host()
    if hierarchies is None:
        raise MachineFailure("no cgroup 2 is mounted any more")
    return RootKeeper(enclose(hierarchies, instance_id), Launcher())


def main(task: str) -> None:
    """Do a task as root: keep a machine, end what is left of one, or look for what is missing."""
    if task == "keep":
        with socket.socket(fileno=os.dup(0)) as channel:
            Service(channel).serve()
        return
    answer = None
    if task == "end":
        _make_keeper(sys.stdin.read()).end()
    elif task == "missing":
        from amikiln_localcloud.machines.container import trial

        answer = trial.find_missing()
    print(json.dumps(answer))
