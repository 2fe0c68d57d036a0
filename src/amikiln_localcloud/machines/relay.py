"""Joins stdin and stdout to a socket; QEMU starts it for each connection of a guest.

Run as a file with ``python -S -E``, because it is in the way of each request: nothing is
imported that is not needed. Arguments: ``unix DIRECTORY NAME`` or ``tcp HOST PORT``.
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
    # A socket's path may have 107 bytes only; relative to its directory, its name suffices.
    os.chdir(where)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(name)
    return connection


def join(connection: socket.socket) -> None:
    """Copy both ways until the far side has closed."""

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
