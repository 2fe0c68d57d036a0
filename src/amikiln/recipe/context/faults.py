"""What a build's context lacks: found by looking into it before anything is made."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path

from amikiln.recipe.context.bake_files import DEFAULT_NAMES, find_targets
from amikiln.spec.content import Warm


def find_faults(root: Path, what: str, warm: Warm, bake_files: Mapping[str, bytes]) -> list[str]:
    """Return what would make the build fail on the machine, a line for each fault.

    Args:
        root: The context's folder, as it is packed.
        what: It, in words.
        warm: The build.
        bake_files: The bake files that are not in it, by their paths in the recipe.
    """
    return [f"{what}: {fault}" for fault in _find(root, warm, bake_files)]


def resolve_inside(path: Path, root: Path) -> Path | None:
    """Return where a path leads, links followed; None if that is not inside a folder."""
    try:
        found = path.resolve()
    except (OSError, RuntimeError):
        # Links that lead to each other.
        return None
    return found if found.is_relative_to(root.resolve()) else None


def _find(root: Path, warm: Warm, outside: Mapping[str, bytes]) -> Iterator[str]:
    if warm.dockerfile is not None:
        yield from _check_file(root, warm.dockerfile, "warm.dockerfile")
        return
    files = [(name, _read(root, name)) for name in DEFAULT_NAMES if (root / name).exists()]
    if not warm.bake_files and not files:
        yield (
            f"has none of the bake files that buildx looks for ({', '.join(DEFAULT_NAMES)}):"
            " name one in warm.bake_files, or a Dockerfile in warm.dockerfile"
        )
    if warm.bake_files:
        files = []
        for number, entry in enumerate(warm.bake_files, 1):
            name = entry.name_in_recipe(number)
            if name is not None:
                files.append((name, outside[name]))
            elif entry.file is not None:
                yield from _check_file(root, entry.file, "warm.bake_files")
                files.append((entry.file, _read(root, entry.file)))
    there = [(name, content) for name, content in files if content is not None]
    if len(there) == len(files) > 0:
        yield from _check_targets(root, warm, there)


def _read(root: Path, name: str) -> bytes | None:
    path = resolve_inside(root / name, root)
    return path.read_bytes() if path is not None and path.is_file() else None


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
