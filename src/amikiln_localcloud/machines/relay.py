"""Connects stdin and stdout to a socket; QEMU starts it for each connection of a guest.

It is run as a file with ``python -S -E`` and imports little, because every request of a guest
waits for it to start. Arguments: ``unix DIRECTORY NAME`` or ``tcp HOST PORT``.
"""

import os
import socket
import sys
import threading

CHUNK_BYTES = 65536


def connect(kind: str, where: str, name: str) -> socket.socket:
    """Return a connected socket."""
    if kind == "tcp":
        return socket.create_connection((where, int(name)))
    # A socket's path can have at most 107 bytes, so it is opened relative to its directory.
    os.chdir(where)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(name)
    return connection


def join(connection: socket.socket) -> None:
    """Copy in both directions until the other end has closed."""

    def send() -> None:
        while chunk := os.read(0, CHUNK_BYTES):
            connection.sendall(chunk)
        connection.shutdown(socket.SHUT_WR)

    threading.Thread(target=send, daemon=True).start()
    while chunk := connection.recv(CHUNK_BYTES):
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(1, rest) :]


if __name__ == "__main__":
    join(connect(*sys.argv[1:4]))
