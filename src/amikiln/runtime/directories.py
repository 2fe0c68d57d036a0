"""Where amikiln keeps its files (the XDG base directories, by way of platformdirs)."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path, user_state_path


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
