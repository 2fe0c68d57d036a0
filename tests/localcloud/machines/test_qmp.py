"""The QEMU Machine Protocol, with a QEMU that only pretends."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from amikiln_localcloud.machines.qmp import QmpClient, QmpError


@dataclass
class Qemu:
    """The far side of the connection."""

    connection: socket.socket
    client: QmpClient
    events: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def say(self, **message: Any) -> None:
        self.connection.sendall(json.dumps(message).encode() + b"\r\n")

    def answer(self, **answer: Any) -> dict[str, Any]:
        """Read one command, answer it, and return it."""
        command: dict[str, Any] = json.loads(self.connection.makefile("rb").readline())
        self.say(id=command["id"], **answer)
        return command


@pytest.fixture
def qemu() -> Iterator[Qemu]:
    ours, theirs = socket.socketpair()
    events: list[tuple[str, Mapping[str, Any]]] = []
    with theirs:
        qemu = Qemu(theirs, QmpClient(ours, lambda *event: events.append(event)), events)
        yield qemu
    qemu.client.join()


def test_a_command_gets_its_own_answer_between_events(qemu: Qemu) -> None:
    qemu.say(QMP={"version": {}})
    commands: list[dict[str, Any]] = []

    def play() -> None:
        qemu.say(event="RESUME", timestamp={})
        commands.append(qemu.answer(**{"return": {"running": True}}))

    far_side = threading.Thread(target=play)
    far_side.start()
    assert qemu.client.execute("query-status", some_flag=1) == {"running": True}
    far_side.join()
    assert commands[0]["execute"] == "query-status"
    assert commands[0]["arguments"] == {"some-flag": 1}
    assert qemu.events == [("RESUME", {})]


def test_an_error_has_qemus_own_message(qemu: Qemu) -> None:
    far_side = threading.Thread(target=qemu.answer, kwargs={"error": {"desc": "no such node"}})
    far_side.start()
    with pytest.raises(QmpError, match="blockdev-del: no such node"):
        qemu.client.execute("blockdev-del")
    far_side.join()


def test_when_qemu_dies_no_command_waits_on(qemu: Qemu) -> None:
    def die() -> None:
        qemu.connection.recv(1)
        qemu.connection.shutdown(socket.SHUT_RDWR)

    far_side = threading.Thread(target=die)
    far_side.start()
    with pytest.raises(QmpError, match="QEMU is gone"):
        qemu.client.execute("query-status")
    far_side.join()
    qemu.client.join()
    with pytest.raises(QmpError, match="QEMU is gone"):
        qemu.client.execute("query-status")
