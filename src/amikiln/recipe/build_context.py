"""The warm build's context: a folder beside the spec, or a commit of a git repository.

It is sent as one tar file, so that the machine needs neither git nor a login. A commit comes with
its ``.git``, which some builds read; a folder without one.
"""

from __future__ import annotations

import posixpath
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from amikiln.errors import PreflightError
from amikiln.model.plan import Context
from amikiln.recipe.context.checkout import (
    check_out,
    count_lfs_pointers,
    list_entries,
    look_up_commit,
)
from amikiln.recipe.context.faults import find_faults, resolve_inside
from amikiln.recipe.context.packing import Entry, pack_folder, write_tar
from amikiln.spec.content import Warm
from amikiln.spec.types import COMMIT

MOST_FILES = 5000
"""Of a folder with more of them a plan has the hash alone: nobody would review them."""
NONE: Mapping[str, bytes] = {}
HINT = "correct [warm] in image.toml, or the folder that it names"


def resolve_context(
    warm: Warm,
    image_directory: Path,
    bake_files: Mapping[str, bytes] = NONE,
    commit: str | None = None,
) -> Context:
    """Find out what a spec's context is now, the folder's content or the commit, and look into it.

    Args:
        warm: The spec's table.
        image_directory: Where image.toml is; folders are beside it.
        bake_files: Those that are not in the context, by their paths in the recipe.
        commit: The commit to take, instead of the newest one of the spec's branch.

    Raises:
        PreflightError: There is no such folder, repository or ref, it cannot be read, or it lacks
            what the build needs: all of that at once.
    """
    if warm.is_git:
        repository, _, rest = warm.context.partition("#")
        ref, _, folder = rest.partition(":")
        is_commit = re.fullmatch(COMMIT, ref) is not None
        commit = commit or (ref if is_commit else look_up_commit(repository, ref))
        # As Docker takes it, `/docker` is the repository's:
        # https://docs.docker.com/build/concepts/context/#url-fragments
        within = posixpath.normpath(folder.strip("/") or ".")
        context = Context(
            f"commit:{commit}",
            Path(within),
            repository,
            None if is_commit else ref,
            submodules=warm.submodules,
        )
        root = _find_root(context)
        _refuse(find_faults(root, f"commit {commit[:12]} of {repository}", warm, bake_files))
        return replace(context, lfs_pointers=count_lfs_pointers(_list_context(context)))
    directory = image_directory / warm.context
    if not directory.is_dir():
        what = (
            f"{directory} is no folder" if directory.exists() else f"there is no folder {directory}"
        )
        raise PreflightError(what, hint="correct warm.context in image.toml")
    if resolve_inside(directory, _find_top(image_directory)) is None:
        raise PreflightError(
            f"{directory} is a link that leads out of the checkout, to {directory.resolve()}",
            hint="correct warm.context in image.toml: another machine does not have what is there",
        )
    _refuse(find_faults(directory, str(directory), warm, bake_files))
    files: dict[str, str] = {}
    with tempfile.TemporaryFile() as archive:
        identity = pack_folder(directory, archive, files.__setitem__)
    return Context(identity, directory, None, None, files if len(files) <= MOST_FILES else {})


def require_commit(context: Context) -> None:
    """Fetch a commit that was planned earlier, unless it is kept here still.

    Raises:
        PreflightError: The repository cannot be read, or does not have it any more.
    """
    if context.repository is not None:
        _find_root(context)


@contextmanager
def pack_context(context: Context) -> Iterator[IO[bytes]]:
    """Yield the context as a temporary tar file.

    Raises:
        PreflightError: It cannot be read, or has changed since it was planned.
    """
    with tempfile.TemporaryFile() as archive:
        if context.repository is None:
            identity = pack_folder(context.folder, archive)
            if identity != context.identity:
                raise PreflightError(
                    f"{context.folder} was changed since it was planned: it was"
                    f" {context.identity}, and is {identity}",
                    hint="run again, and do not change the folder meanwhile",
                )
        else:
            write_tar(_list_context(context), archive)
        archive.seek(0)
        yield archive


def describe_lfs(context: Context | None) -> str | None:
    """Return a warning about files that jobs may have and the bake has not; None: no need."""
    if context is None or not context.lfs_pointers:
        return None
    return (
        f"warning: {context.lfs_pointers} files of the warm build's context are git-lfs pointers:"
        " what they stand for is not sent, so steps that read them are no hits in jobs whose agent"
        " has git-lfs"
    )


def _list_context(context: Context) -> Iterator[Entry]:
    checkout, root = _check_out(context), _find_root(context)
    return list_entries(checkout, root.relative_to(checkout.resolve()).as_posix())


def _check_out(context: Context) -> Path:
    return check_out(context.repository or "", context.commit, context.ref, context.submodules)


def _find_root(context: Context) -> Path:
    """Return the folder of a commit that is the context; links to it are followed."""
    checkout = _check_out(context)
    folder = context.folder.as_posix()
    found = resolve_inside(checkout / folder, checkout)
    fault = None
    if found is None:
        fault = "leads out of the repository"
    elif ".git" in found.relative_to(checkout.resolve()).parts:
        fault = "is not a part of the commit"
    elif not found.exists():
        fault = "is not there"
    elif not found.is_dir():
        fault = "is no folder"
    if found is None or fault is not None:
        raise PreflightError(
            f"commit {context.commit[:12]} of {context.repository}: {folder} {fault}",
            hint="correct what stands behind the : of warm.context in image.toml",
        )
    return found


def _find_top(folder: Path) -> Path:
    """Return the checkout that a folder is in; where it is in none, the folder."""
    place = folder.resolve()
    return next((above for above in (place, *place.parents) if (above / ".git").exists()), place)


def _refuse(faults: list[str]) -> None:
    if faults:
        raise PreflightError("\n".join(faults), hint=HINT)
