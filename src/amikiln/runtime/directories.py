"""Where amikiln keeps its files (the XDG base directories, by way of platformdirs)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from platformdirs import user_cache_path, user_state_path

SHORT = "/tmp"  # noqa: S108  (mkdtemp gives its directory to this user alone)
LONGEST_SCRATCH = 55
"""In bytes. A unix socket's path has 103 at most on some systems, and ssh adds 17 to its own's."""


def state_directory() -> Path:
    """Return the directory of the history of runs and of the local cloud's data.

    ``AMIKILN_STATE`` overrides ``$XDG_STATE_HOME/amikiln``.
    """
    return Path(os.environ.get("AMIKILN_STATE") or user_state_path("amikiln")).absolute()


def cache_directory() -> Path:
    """Return the directory of what can be made again, such as base images and compiled programs.

    ``AMIKILN_CACHE`` overrides ``$XDG_CACHE_HOME/amikiln``.
    """
    return Path(os.environ.get("AMIKILN_CACHE") or user_cache_path("amikiln")).absolute()


def make_scratch_directory() -> Path:
    """Make a new directory for a while, for this user alone, that can hold an ssh's socket.

    It is in ``$TMPDIR``, or in /tmp if that path is too long.
    """
    fits = len(os.fsencode(tempfile.gettempdir())) <= LONGEST_SCRATCH
    return Path(tempfile.mkdtemp(prefix="amikiln-", dir=None if fits else SHORT))
