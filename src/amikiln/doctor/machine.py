"""This machine: the programs that amikiln starts, and room for what it keeps."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from amikiln.doctor.finding import Found, Level
from amikiln.errors import AmikilnError
from amikiln.plan.network import SESSION_MANAGER_PROGRAMS
from amikiln.runtime import process
from amikiln.runtime.installed import find_line_for

VERSION_SECONDS = 10
LEAST_FREE_GIB = 2
VERSION_OPTIONS = {"ssh": "-V"}
"""How a program is asked for its version, if not by --version."""


def look_at_program(name: str, why: str) -> Found:
    """Return whether a program is here, and its version.

    Args:
        name: Its name, as on PATH.
        why: What it is needed for.
    """
    source = find_line_for(name)
    if shutil.which(name) is None:
        return Found(name, Level.MISSING, f"is not on PATH, and is needed {why}", source)
    try:
        output = process.run(
            [name, VERSION_OPTIONS.get(name, "--version")], timeout_seconds=VERSION_SECONDS
        )
    except AmikilnError as error:
        return Found(name, Level.WARNING, f"does not say its version: {error.what}", source)
    said = (output.stdout or output.stderr).decode(errors="replace").strip().splitlines()
    return Found(name, Level.OK, said[0] if said else "says no version")


def look_at_registry_program() -> Found:
    """Return whether there is one of the two programs that ask registries for digests."""
    for name in ("skopeo", "docker"):
        if shutil.which(name) is not None:
            return look_at_program(name, "to ask registries for digests")
    return look_at_program("skopeo", "to ask registries for digests (or Docker's buildx)")


def look_at_disk(folder: Path) -> Found:
    """Return whether there is room where amikiln keeps what can be made again.

    Args:
        folder: It, or the next one above it that exists.
    """
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    says = f"{free:.1f} GiB are free in {folder}"
    if free >= LEAST_FREE_GIB:
        return Found("disk", Level.OK, says)
    mend = "make room there, or set AMIKILN_CACHE to a folder on another disk"
    return Found("disk", Level.WARNING, f"{says}: a build's context may need more", mend)


def look_at_machine(needs_session_manager: bool, cache: Path) -> Iterator[Found]:
    """Yield what is to be known of this machine.

    Args:
        needs_session_manager: Whether the spec reaches its machines through Session Manager.
        cache: Where amikiln keeps what can be made again.
    """
    yield look_at_program("ssh", "to log in to machines")
    yield look_at_program("git", "for builds whose context is a repository")
    yield look_at_registry_program()
    if needs_session_manager:
        for name in SESSION_MANAGER_PROGRAMS:
            yield look_at_program(name, "for network.connect session-manager")
    yield look_at_disk(cache)
