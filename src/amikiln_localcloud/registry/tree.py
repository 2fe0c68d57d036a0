"""File trees for an image's layers, from Debian packages and from programs compiled here."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from amikiln.runtime import process
from amikiln_localcloud.home import DEBIAN_SUITE

MAKE_SECONDS = 600

LEFT_OUT = (
    "usr/share/doc/",
    "usr/share/locale/",
    "usr/share/man/",
    "etc/apt/",
    "var/cache/",
    "var/lib/apt/",
    "var/lib/dpkg/",
    "var/log/",
)
"""What an image does not need: manuals, and apt's own files, which differ with every run."""

CERTIFICATES = "usr/share/ca-certificates/mozilla/"

FETCH_SOURCE = """
set -eu
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
for list in "$1/etc/apt/sources.list" "$1"/etc/apt/sources.list.d/*.list; do
    if [ -e "$list" ]; then sed -i -n 'p; s/^deb /deb-src /p' "$list"; fi
done
for list in "$1"/etc/apt/sources.list.d/*.sources; do
    if [ -e "$list" ]; then sed -i 's/^Types: deb *$/Types: deb deb-src/' "$list"; fi
done
apt-get update >&2
mkdir -p "$1/usr/src"
cd "$1/usr/src"
apt-get source --download-only --tar-only PACKAGE >&2
"""
"""mmdebstrap's hook that downloads a source package, from the same mirror and checked by apt."""


@dataclass(frozen=True)
class Node:
    """One entry of a file tree: a directory, a file or a symbolic link.

    Attributes:
        kind: ``tarfile.DIRTYPE``, ``REGTYPE`` or ``SYMTYPE``.
        mode: The permission bits.
        data: A file's content.
        target: Where a symbolic link leads.
    """

    kind: bytes
    mode: int
    data: bytes = b""
    target: str = ""


Tree = Mapping[str, Node]
"""Maps paths without a leading slash to what is there."""


def directory(mode: int = 0o755) -> Node:
    """Return a directory."""
    return Node(tarfile.DIRTYPE, mode)


def program(data: bytes) -> Node:
    """Return an executable file."""
    return Node(tarfile.REGTYPE, 0o755, data)


def text(data: str) -> Node:
    """Return a file that everyone may read."""
    return Node(tarfile.REGTYPE, 0o644, data.encode())


def link(target: str) -> Node:
    """Return a symbolic link."""
    return Node(tarfile.SYMTYPE, 0o777, target=target)


FRAME: Tree = {
    **{name: link(f"usr/{name}") for name in ("bin", "lib", "lib64", "sbin")},
    **{name: directory() for name in ("dev", "etc", "proc", "root", "run", "sys", "usr")},
    **{f"usr/{name}": directory() for name in ("bin", "lib", "lib64", "sbin")},
    "tmp": directory(0o1777),
    "usr/bin/sh": link("busybox"),
}
"""The directories and links that an image needs beside its packages, as Debian has them."""


def unpack_packages(packages: Sequence[str], source: str | None = None) -> Tree:
    """Return the files of Debian packages and their dependencies, unpacked but not configured.

    It works without root too: mmdebstrap then uses user namespaces.

    Args:
        packages: The packages' names.
        source: A source package, whose original archive is put into usr/src.

    Raises:
        process.CommandFailed: The packages could not be fetched.
        process.CommandMissing: mmdebstrap is not installed.
    """
    hook = FETCH_SOURCE.replace("PACKAGE", source) if source is not None else None
    made = process.run(
        [
            "mmdebstrap",
            "--quiet",
            "--variant=extract",
            f"--include={','.join(packages)}",
            *([] if hook is None else [f"--extract-hook={hook}"]),
            DEBIAN_SUITE,
            "-",
        ],
        timeout_seconds=MAKE_SECONDS,
    )
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as archive:
        return dict(_entries(archive))


def add_certificates(tree: Tree) -> Tree:
    """Return the tree with the bundle that ca-certificates makes when it is configured."""
    bundle = b"".join(
        node.data for path, node in sorted(tree.items()) if path.startswith(CERTIFICATES)
    )
    return {
        **tree,
        "etc/ssl": directory(),
        "etc/ssl/certs": directory(),
        "etc/ssl/certs/ca-certificates.crt": text(bundle.decode()),
    }


def leave_out(tree: Tree, patterns: Sequence[str]) -> Tree:
    """Return the tree without the paths that match a pattern; ``*`` matches ``/`` too."""
    return {
        path: node
        for path, node in tree.items()
        if not any(fnmatchcase(path, pattern) for pattern in patterns)
    }


def subtract(tree: Tree, base: Tree) -> Tree:
    """Return what ``tree`` has and ``base`` has not: the layer that makes the one of the other."""
    return {path: node for path, node in tree.items() if base.get(path) != node}


def _entries(archive: tarfile.TarFile) -> list[tuple[str, Node]]:
    found = []
    for member in archive:
        path = member.name.removeprefix("./").strip("/")
        if path in ("", ".") or f"{path}/".startswith(LEFT_OUT):
            continue
        if member.isdir():
            node = directory(member.mode)
        elif member.issym():
            node = link(member.linkname)
        elif member.isfile() or member.islnk():
            content = archive.extractfile(member)
            node = Node(tarfile.REGTYPE, member.mode, content.read() if content else b"")
        else:
            continue  # devices: the container runtime makes its own
        found.append((path, node))
    return found
