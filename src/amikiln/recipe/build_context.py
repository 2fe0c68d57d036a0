"""The warm build's context: a folder beside the spec, or a commit of a git repository.

It is sent as one tar file, so that the machine needs neither git nor a login. Equal content gives
equal bytes, wherever it is packed: BuildKit finds a copied file in its cache by the file's name,
mode and content. A commit comes with its ``.git``, which some builds read; a folder without one.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from amikiln.errors import PreflightError
from amikiln.model.plan import Context
from amikiln.runtime import process
from amikiln.spec.content import Warm

LOOKUP_SECONDS = 120
FETCH_SECONDS = 1800
COMMIT = re.compile(r"[0-9a-f]{40}")
WITHOUT_PROMPT = {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -o BatchMode=yes"}


def resolve_context(warm: Warm, image_directory: Path) -> Context:
    """Find out what a spec's context is now: the folder's content, or the commit.

    Args:
        warm: The spec's table.
        image_directory: Where image.toml is; folders are beside it.

    Raises:
        PreflightError: There is no such folder, repository or ref, or it cannot be read.
    """
    if not warm.is_git:
        folder = image_directory / warm.context
        if not folder.is_dir():
            raise PreflightError(
                f"there is no folder {folder}", hint="correct warm.context in image.toml"
            )
        with tempfile.TemporaryFile() as archive:
            return Context(_write_tar(folder, archive, without=".git"), folder, None)
    repository, _, rest = warm.context.partition("#")
    ref, _, folder_within = rest.partition(":")
    commit = ref if COMMIT.fullmatch(ref) else _look_up_commit(repository, ref)
    return Context(f"commit:{commit}", Path(folder_within or "."), repository)


@contextmanager
def pack_context(context: Context) -> Iterator[IO[bytes]]:
    """Yield the context as a temporary tar file.

    Raises:
        PreflightError: It cannot be read, or has changed since it was planned.
    """
    with tempfile.TemporaryFile() as archive:
        if context.repository is None:
            identity = _write_tar(context.folder, archive, without=".git")
            if identity != context.identity:
                raise PreflightError(
                    f"{context.folder} was changed since it was planned: it was"
                    f" {context.identity}, and is {identity}",
                    hint="run again, and do not change the folder meanwhile",
                )
        else:
            with tempfile.TemporaryDirectory(prefix="amikiln-context-") as checkout:
                _check_out(context, Path(checkout))
                _write_tar(Path(checkout) / context.folder, archive)
        archive.seek(0)
        yield archive


def _write_tar(folder: Path, archive: IO[bytes], *, without: str = "") -> str:
    """Write a folder as a tar file and return its hash, as ``sha256:...``.

    Args:
        folder: What to pack.
        archive: Where to write.
        without: The name of folders to leave out.
    """
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(_list_entries(folder, without)):
            member = tar.gettarinfo(path, arcname=str(path.relative_to(folder)))
            member.mtime, member.uid, member.gid, member.uname, member.gname = 0, 0, 0, "", ""
            executable = member.isdir() or member.mode & 0o100
            # As git stores it: a checkout of the same commit has the same modes everywhere.
            member.mode = 0o755 if executable else 0o644
            if member.isfile():
                with path.open("rb") as content:
                    tar.addfile(member, content)
            else:
                tar.addfile(member)
    archive.seek(0)
    return f"sha256:{hashlib.file_digest(archive, 'sha256').hexdigest()}"  # type: ignore[arg-type]


def _list_entries(folder: Path, without: str) -> Iterator[Path]:
    for above, directories, files in os.walk(folder):
        directories[:] = [name for name in directories if name != without]
        for name in (*directories, *files):
            path = Path(above, name)
            # Sockets and devices are left out.
            if path.is_symlink() or path.is_dir() or path.is_file():
                yield path


def _look_up_commit(repository: str, ref: str) -> str:
    wanted = [f"refs/tags/{ref}^{{}}", f"refs/heads/{ref}", f"refs/tags/{ref}", ref]
    lines = _git("ls-remote", "--", repository, ref, f"{ref}^{{}}")
    found = {name: commit for commit, _, name in (line.partition("\t") for line in lines)}
    for name in wanted:
        if name in found:
            return found[name]
    raise PreflightError(
        f"{repository} has no branch and no tag {ref}", hint="correct warm.context in image.toml"
    )


def _check_out(context: Context, into: Path) -> None:
    """Check out a commit, with a ``.git`` that is the same on every machine."""
    at = ("-C", str(into))
    commit = context.identity.removeprefix("commit:")
    # Templates have hooks and examples, which differ between versions of git.
    _git("init", "--quiet", "--template=", "--initial-branch=main", "--", str(into))
    _git(
        *at, "fetch", "--quiet", "--depth=1", "--", context.repository or "", commit,
        seconds=FETCH_SECONDS,
    )  # fmt: skip
    _git(*at, "-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", commit)
    _git(*at, "-c", "pack.threads=1", "repack", "-a", "-d", "-f", "--quiet")
    # A new index has no times and no inodes.
    (into / ".git" / "index").unlink()
    _git(*at, "read-tree", "HEAD")
    for name in ("FETCH_HEAD", "ORIG_HEAD"):
        (into / ".git" / name).unlink(missing_ok=True)
    shutil.rmtree(into / ".git" / "logs")


def _git(*words: str, seconds: float = LOOKUP_SECONDS) -> list[str]:
    try:
        done = process.run(
            ["git", *words], timeout_seconds=seconds, env={**os.environ, **WITHOUT_PROMPT}
        )
    except process.CommandFailed as error:
        raise PreflightError(
            f"git cannot read the warm build's context: {error.tail.strip() or error.what}",
            hint="correct warm.context in image.toml, or let git log in"
            " (its credential helpers and ssh keys are asked)",
        ) from error
    return done.stdout.decode().splitlines()
