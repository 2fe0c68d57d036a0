"""Packs a build's context as a tar file: equal content gives equal bytes, wherever it is packed.

BuildKit finds a copied file in its cache by the file's name, mode and content, not by its times
(https://github.com/moby/buildkit/blob/v0.26.3/cache/contenthash/filehash.go); owners are 0 for
what a client sends. So names, modes and content are all that is written.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from amikiln.errors import PreflightError

READABLE = "let this user read it, or keep it out of the warm build's context"


@dataclass(frozen=True)
class Entry:
    """A file, folder or link to pack.

    Attributes:
        name: In the tar file, without a ``/`` at its end.
        path: Where it is now.
        mode: Its kind, as stat(2) has it; of its permissions only the owner's ``x`` counts.
    """

    name: str
    path: Path
    mode: int


def pack_folder(
    folder: Path, archive: IO[bytes], describe: Callable[[str, str], None] | None = None
) -> str:
    """Write a folder of this machine as a tar file, without ``.git``.

    Args:
        folder: What to pack.
        archive: Where to write; it is at its beginning afterwards.
        describe: Is given each name, and what tells it from another: mode, and content's hash.

    Returns:
        The tar file's hash, as ``sha256:...``.

    Raises:
        PreflightError: Something in it cannot be read or named, or changes meanwhile.
    """
    return write_tar(_list_folder(folder, folder), archive, describe)


def write_tar(
    entries: Iterable[Entry],
    archive: IO[bytes],
    describe: Callable[[str, str], None] | None = None,
) -> str:
    """Write entries as a tar file, in an order of their own, and return its hash.

    Args:
        entries: What to pack.
        archive: Where to write.
        describe: Is given each name, and mode and hash, or a link's target.

    Raises:
        PreflightError: One cannot be read, two have one name, or one changes meanwhile.
    """
    by_name: dict[bytes, Entry] = {}
    for entry in entries:
        encoded = os.fsencode(entry.name)
        if encoded in by_name:
            raise PreflightError(
                f"{by_name[encoded].path} and {entry.path} have the same name in two forms of"
                " Unicode",
                hint="rename one of them",
            )
        by_name[encoded] = entry
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for encoded, entry in sorted(by_name.items()):
            try:
                about = _add(entry, tar)
            except OSError as error:
                raise PreflightError(
                    f"cannot read {entry.path}: {error.strerror or error}", hint=READABLE
                ) from error
            if describe is not None:
                # Names need not be text, but what describes them is.
                describe(encoded.decode(errors="backslashreplace"), about)
    archive.seek(0)
    digest = hashlib.file_digest(archive, "sha256").hexdigest()  # type: ignore[arg-type]
    archive.seek(0)
    return f"sha256:{digest}"


class _HashedFile:
    """A file whose content is hashed while it is packed."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self.hash.update(content)
        return content


def _add(entry: Entry, tar: tarfile.TarFile) -> str:
    """Add an entry, and return its mode and its content's hash, or where its link leads."""
    # Not tar.gettarinfo(): the second of two hard links would be a reference to the first.
    member = tarfile.TarInfo(entry.name)
    # As git stores it: a checkout of the same commit has the same modes everywhere.
    member.mode = 0o755 if stat.S_ISDIR(entry.mode) or entry.mode & stat.S_IXUSR else 0o644
    if stat.S_ISDIR(entry.mode):
        member.type = tarfile.DIRTYPE
        tar.addfile(member)
        about = "a folder"
    elif stat.S_ISLNK(entry.mode):
        member.type = tarfile.SYMTYPE
        member.linkname = os.readlink(entry.path)
        member.mode = 0o777
        tar.addfile(member)
        about = os.fsencode(f"a link to {member.linkname}").decode(errors="backslashreplace")
    else:
        with entry.path.open("rb") as content:
            before = os.fstat(content.fileno())
            member.size = before.st_size
            hashed = _HashedFile(content)
            tar.addfile(member, hashed)
            after = os.fstat(content.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise PreflightError(
                f"{entry.path} was changed while it was packed",
                hint="run again, and do not change the folder meanwhile",
            )
        about = f"{member.mode:o} sha256:{hashed.hash.hexdigest()}"
    return about


def _list_folder(folder: Path, top: Path) -> Iterator[Entry]:
    try:
        with os.scandir(folder) as found:
            inside = list(found)
    except OSError as error:
        raise PreflightError(
            f"cannot read the folder {folder}: {error.strerror or error}", hint=READABLE
        ) from error
    for item in inside:
        # The repository that the folder is a part of, or in a work tree of its own the file that
        # names it.
        if item.name == ".git":
            continue
        path = Path(item.path)
        mode = path.lstat().st_mode
        # Sockets, pipes and devices are left out, as by BuildKit's own client.
        if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            continue
        # Some file systems hand out names in another form of Unicode than they were given
        # (https://developer.apple.com/library/archive/qa/qa1173/_index.html).
        name = unicodedata.normalize("NFC", path.relative_to(top).as_posix())
        yield Entry(name, path, mode)
        if stat.S_ISDIR(mode):
            yield from _list_folder(path, top)
