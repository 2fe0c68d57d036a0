"""The bake files that are not in the context: beside image.toml, behind a URL, given to the run."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.request import urlopen

from amikiln.errors import PreflightError
from amikiln.runtime.directories import cache_directory
from amikiln.runtime.files import write_atomically
from amikiln.spec.bake_file import BakeFile
from amikiln.spec.load import ImageFolder

READ_SECONDS = 60
LARGEST_FILE = 4 * 2**20


class _Fault(Exception):
    """Why one of the files cannot be used."""


def read_bake_files(folder: ImageFolder) -> dict[str, bytes]:
    """Return the contents of all bake files from outside the context, by their paths in the recipe.

    Args:
        folder: The image; says which, and which files were given to this run.

    Raises:
        PreflightError: One is missing, is another than it should be, or is given and not named: all
            of them at once.
    """
    warm = folder.spec.warm
    entries = warm.bake_files if warm is not None else ()
    faults = list(_compare_given(entries, folder.bake_files))
    found: dict[str, bytes] = {}
    for number, entry in enumerate(entries, 1):
        name = entry.name_in_recipe(number)
        if name is None or (entry.given is not None and entry.given not in folder.bake_files):
            continue
        try:
            found[name] = _check(_read(entry, folder))
        except OSError as error:
            faults.append(f"{entry.shown}: cannot be read: {error.strerror or error}")
        except _Fault as fault:
            faults.append(f"{entry.shown}: {fault}")
    if faults:
        raise PreflightError("\n".join(faults), hint="correct warm.bake_files, or what is given")
    return found


def _compare_given(entries: tuple[BakeFile, ...], given: Mapping[str, Path]) -> Iterator[str]:
    wanted = {entry.given for entry in entries if entry.given is not None}
    for name in sorted(wanted - given.keys()):
        yield f"the bake file {name} is not given: --bake-file {name}=PATH"
    for name in sorted(given.keys() - wanted):
        yield (
            f"the bake file {name} is given, and warm.bake_files does not name it:"
            f' bake_files = [{{ given = "{name}" }}]'
        )


def _read(entry: BakeFile, folder: ImageFolder) -> bytes:
    if entry.url is not None and entry.sha256 is not None:
        return _fetch(entry.url, entry.sha256)
    path = (
        folder.bake_files[entry.given] if entry.given else folder.directory / (entry.beside or "")
    )
    with path.open("rb") as file:
        return file.read(LARGEST_FILE + 1)


def _fetch(url: str, sha256: str) -> bytes:
    """Return what is behind a URL; it is kept by its hash, so that it is fetched once."""
    kept = cache_directory() / "bake-files" / sha256
    if kept.is_file() and hashlib.sha256(content := kept.read_bytes()).hexdigest() == sha256:
        return content
    with urlopen(url, timeout=READ_SECONDS) as answer:  # noqa: S310  (https, says the spec)
        content = bytes(answer.read(LARGEST_FILE + 1))
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise _Fault(f"has the SHA-256 {found}, and not {sha256} as image.toml says")
    write_atomically(kept, content)
    return content


def _check(content: bytes) -> bytes:
    if len(content) > LARGEST_FILE:
        raise _Fault(f"has more than {LARGEST_FILE // 2**20} MiB")
    if content.startswith(codecs.BOM_UTF8):
        raise _Fault("begins with a byte order mark, which buildx refuses: save it without")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise _Fault(f"is not UTF-8 (byte {error.start})") from error
    if not text.strip():
        raise _Fault("is empty")
    return content
