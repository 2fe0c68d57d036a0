"""What a build's context lacks: found by looking into it before anything is made."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path

from amikiln.recipe.context.bake_files import DEFAULT_NAMES, find_targets
from amikiln.spec.content import Warm


def find_faults(root: Path, what: str, warm: Warm) -> list[str]:
    """Return what would make the build fail on the machine, a line for each fault.

    Args:
        root: The context's folder, as it is packed.
        what: It, in words.
        warm: The build.
    """
    return [f"{what}: {fault}" for fault in _find(root, warm)]


def resolve_inside(path: Path, root: Path) -> Path | None:
    """Return where a path leads, links followed; None if that is not inside a folder."""
    try:
        found = path.resolve()
    except (OSError, RuntimeError):
        # Links that lead to each other.
        return None
    return found if found.is_relative_to(root.resolve()) else None


def _find(root: Path, warm: Warm) -> Iterator[str]:
    if warm.dockerfile is not None:
        yield from _check_file(root, warm.dockerfile, "warm.dockerfile")
        return
    names = warm.bake_files
    for name in names:
        yield from _check_file(root, name, "warm.bake_files")
    if not names:
        # A link that leads nowhere is none of buildx's files either.
        names = tuple(name for name in DEFAULT_NAMES if (root / name).exists())
        if not names:
            yield (
                f"has none of the bake files that buildx looks for ({', '.join(DEFAULT_NAMES)}):"
                " name one in warm.bake_files, or a Dockerfile in warm.dockerfile"
            )
    files = [
        (name, path.read_bytes())
        for name in names
        if (path := resolve_inside(root / name, root)) is not None and path.is_file()
    ]
    if len(files) == len(names) > 0:
        yield from _check_targets(root, warm, files)


def _check_targets(root: Path, warm: Warm, files: list[tuple[str, bytes]]) -> Iterator[str]:
    faults: list[str] = []
    for target in find_targets(files, warm.targets, faults):
        if target.context is None:
            continue
        who = f"target {target.name}"
        folder = root / target.context
        if posixpath.isabs(target.context):
            yield f"{who}: its context {target.context} is an absolute path, which no machine has"
        elif (found := resolve_inside(folder, root)) is None:
            yield f"{who}: its context {target.context} leaves the folder that is sent"
        elif not found.is_dir():
            yield f"{who}: its context {target.context} is no folder there"
        elif target.dockerfile is not None and not posixpath.isabs(target.dockerfile):
            named = posixpath.normpath(posixpath.join(target.context, target.dockerfile))
            yield from _check_file(root, named, f"the Dockerfile of {who}")
    yield from faults


def _check_file(root: Path, name: str, whose: str) -> Iterator[str]:
    path = root / name
    found = resolve_inside(path, root)
    if found is None:
        yield f"{name} ({whose}) leads out of the folder that is sent, or nowhere"
    elif not found.exists():
        link = f", where its link leads to {path.readlink()}" if path.is_symlink() else ""
        yield f"has no file {name} ({whose}){link}"
    elif not found.is_file():
        yield f"{name} ({whose}) is no file"
