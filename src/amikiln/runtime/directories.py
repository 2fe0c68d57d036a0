"""Where amikiln keeps files on the machine it runs on (the XDG base directories)."""

from __future__ import annotations

import os
from pathlib import Path


def state_directory() -> Path:
    """Return where things live that are history or the local cloud's data.

    ``AMIKILN_STATE`` overrides ``$XDG_STATE_HOME/amikiln``.
    """
    return _place("AMIKILN_STATE", "XDG_STATE_HOME", ".local/state")


def cache_directory() -> Path:
    """Return where things live that can be made again: base images, compiled programs.

    ``AMIKILN_CACHE`` overrides ``$XDG_CACHE_HOME/amikiln``.
    """
    return _place("AMIKILN_CACHE", "XDG_CACHE_HOME", ".cache")


def _place(own: str, standard: str, default: str) -> Path:
    if chosen := os.environ.get(own):
        return Path(chosen).absolute()
    base = os.environ.get(standard)
    return (Path(base) if base else Path.home() / default).absolute() / "amikiln"
