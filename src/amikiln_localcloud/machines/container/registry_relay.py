"""Joins a socket that listens in a machine's network to the container registry on the host."""

from __future__ import annotations

import contextlib
import socket
import threading

from amikiln_localcloud.machines.guest_values import RegistryAddress

CHUNK_BYTES = 1 << 18


class RegistryRelay:
    """Accepts a machine's connections until it is closed.

    Args:
        listener: Listens in the machine's network; closed with this.
        registry: Where connections lead.
    """

    def __init__(self, listener: socket.socket, registry: RegistryAddress) -> None:
        self._listener = listener
        self._registry = registry
        threading.Thread(target=self._accept, name="registry", daemon=True).start()

    def close(self) -> None:
        """Accept no more connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes up who accepts
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(connection,), daemon=True).start()

    def _join(self, connection: socket.socket) -> None:
        with connection:
            try:
                far = socket.create_connection((self._registry.host, self._registry.port))
            except OSError:
                return
            with far:
                back = threading.Thread(target=_copy, args=(far, connection), daemon=True)
                back.start()
                _copy(connection, far)
                back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(CHUNK_BYTES):
            target.sendall(chunk)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
