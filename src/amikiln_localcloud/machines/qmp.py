"""A client for the QEMU Machine Protocol (https://www.qemu.org/docs/master/interop/qmp-spec.html).

The library qemu.qmp is made for asyncio. Its synchronous interface cannot execute a command in
one thread while another waits for events, which a machine needs.
"""

from __future__ import annotations

import itertools
import json
import queue
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

ANSWER_SECONDS = 30.0


class QmpError(Exception):
    """QEMU refused a command, did not answer, or is gone."""


class QmpClient:
    """One connection; any thread may execute commands.

    Args:
        connection: A connected socket; it is closed when QEMU closes its end.
        on_event: Called in a thread of this connection with an event's name and data.
    """

    def __init__(
        self, connection: socket.socket, on_event: Callable[[str, Mapping[str, Any]], None]
    ) -> None:
        self._connection = connection
        self._on_event = on_event
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._waiting: dict[int, queue.SimpleQueue[Mapping[str, Any]]] = {}
        self._closed = False
        self._reader = threading.Thread(target=self._read, name="qmp", daemon=True)
        self._reader.start()

    def join(self) -> None:
        """Wait until QEMU has closed the connection and ``on_event`` has had all events."""
        self._reader.join()

    def execute(self, command: str, **arguments: Any) -> Any:
        """Execute a command and return its result.

        Args:
            command: The command's name.
            arguments: Its arguments; an underscore in a name stands for a hyphen.

        Raises:
            QmpError: QEMU returned an error, did not answer in time, or is gone.
        """
        number = next(self._ids)
        answers: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        message = {
            "execute": command,
            "id": number,
            "arguments": {name.replace("_", "-"): value for name, value in arguments.items()},
        }
        with self._lock:
            if self._closed:
                raise QmpError(f"{command}: QEMU is gone")
            self._waiting[number] = answers
            try:
                self._connection.sendall(json.dumps(message).encode() + b"\n")
            except OSError as error:
                raise QmpError(f"{command}: QEMU is gone") from error
        try:
            answer = answers.get(timeout=ANSWER_SECONDS)
        except queue.Empty:
            raise QmpError(f"{command}: no answer in {ANSWER_SECONDS:.0f} s") from None
        finally:
            self._waiting.pop(number, None)
        if "return" not in answer:
            raise QmpError(f"{command}: {answer.get('error', {}).get('desc', 'QEMU is gone')}")
        return answer["return"]

    def _read(self) -> None:
        with self._connection, self._connection.makefile("rb") as lines:
            try:
                for line in lines:
                    self._dispatch(json.loads(line))
            except (OSError, ValueError):
                pass  # QEMU was killed while it wrote a line
            with self._lock:
                self._closed = True
                for answers in self._waiting.values():
                    answers.put({})

    def _dispatch(self, message: Mapping[str, Any]) -> None:
        if "event" in message:
            self._on_event(message["event"], message.get("data", {}))
        elif waiting := self._waiting.get(message.get("id", 0)):
            waiting.put(message)
