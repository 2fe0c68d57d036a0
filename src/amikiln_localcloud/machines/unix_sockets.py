"""Unix sockets at paths of any length: the kernel takes 107 bytes at most."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def listen_on(path: Path) -> socket.socket:
    """Return a unix socket that listens at a path; access to its directory is access to it."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    with _shortened(path) as short:
        listener.bind(short)
    listener.listen()
    return listener


def connect_to(path: Path) -> socket.socket:
    """Return a unix socket that is connected to the one at a path.

    Raises:
        OSError: Nothing listens there.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        with _shortened(path) as short:
            connection.connect(short)
    except OSError:
        connection.close()
        raise
    return connection


@contextmanager
def _shortened(path: Path) -> Iterator[str]:
    directory = os.open(path.parent, os.O_PATH)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
