"""Builds the base image: an ordinary small Debian with Docker, from Debian's own packages.

A few small units take the place of cloud-init: without KVM, ssh then answers in a third of the
time. ``Variant.CLOUD_INIT`` is the same image with Debian's cloud-init, and
``Variant.ELASTIC_STACK`` with what jobs and boots find in the image of Buildkite's Elastic CI
Stack: users, units, hooks and scripts of the same names and effects.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from enum import Enum
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from amikiln.errors import LocalCloudError
from amikiln.runtime import process
from amikiln.runtime.cache import make_once
from amikiln.runtime.progress import Reporter
from amikiln_localcloud.home import DEBIAN_SUITE, REGISTRY_NAME
from amikiln_localcloud.machines import disks
from amikiln_localcloud.machines.contract import MachineFailure, SnapshotFiles
from amikiln_localcloud.machines.guest_values import METADATA_CARD_ADDRESS

PACKAGES = (
    "ca-certificates",
    "curl",
    "dbus",
    "docker-buildx",
    "docker-cli",
    "docker.io",
    "e2fsprogs",
    "initramfs-tools",
    "iproute2",
    "iptables",
    "iputils-ping",
    "kmod",
    "less",
    "libnss-myhostname",
    "linux-image-cloud-amd64",
    "netbase",
    "openssh-server",
    "procps",
    "sudo",
    "systemd-sysv",
    "udev",
)
DISK_GIB = 8
"""The size of most AMIs' root disks; the file is sparse."""
SPACE_NEEDED_MIB = 4096
"""For the packages, the tree, its tar file and the disk at the same time."""
VALUES = {"@registry-name@": REGISTRY_NAME, "@metadata-card-address@": METADATA_CARD_ADDRESS}
"""What takes the place of these words in the files of ``guest/``."""


class Variant(Enum):
    """What sets a machine up at boot; the value names the folders of ``guest/`` to include."""

    SMALL_UNITS = ("files", "small-units")
    CLOUD_INIT = ("files", "cloud-init")
    ELASTIC_STACK = ("files", "small-units", "elastic-stack")


MORE_PACKAGES = {
    Variant.CLOUD_INIT: ("cloud-init",),
    # bk-configure-docker.sh and bk-mount-instance-storage.sh call these.
    Variant.ELASTIC_STACK: ("jq", "nvme-cli"),
}


def compute_base_key(variant: Variant = Variant.SMALL_UNITS) -> str:
    """Return the hash of everything that the base image is made from."""
    made_from = (DEBIAN_SUITE, _packages(variant), DISK_GIB, _BUILD_DISK)
    return hashlib.sha256(repr(made_from).encode() + _overlay(variant)).hexdigest()[:20]


def locate_base(cache: Path, variant: Variant = Variant.SMALL_UNITS) -> SnapshotFiles:
    """Return where a base image is in a cache directory, or will be."""
    return SnapshotFiles(cache / "base" / compute_base_key(variant))


def ensure_base(
    cache: Path, report: Reporter, variant: Variant = Variant.SMALL_UNITS
) -> SnapshotFiles:
    """Return the base image; build it if the cache does not contain it yet.

    Processes that ask at the same time wait for the one that builds.

    Args:
        cache: The cache directory; the image is in its ``base/``.
        report: Reports what takes long.
        variant: Which of the two images.

    Raises:
        LocalCloudError: It could not be built: no network, no space, not permitted.
    """
    base = locate_base(cache, variant)
    try:
        make_once(base.directory, lambda directory: _build(directory, report, variant), report)
    except (MachineFailure, OSError, process.CommandFailed) as error:
        raise LocalCloudError(
            f"cannot build the base image: {error}",
            hint="it needs a Debian mirror and, without root, subordinate user ids: "
            "see mmdebstrap(1), MODES",
        ) from error
    return base


def _build(directory: Path, report: Reporter, variant: Variant) -> None:
    _check_space(directory)
    report.line("building the base image (Debian with Docker), once: usually 45 s")
    overlay = directory / "overlay.tar"
    overlay.write_bytes(_overlay(variant))
    tree = directory / "root.tar"
    # /tmp may be a small file system in memory.
    environment = {"TMPDIR": "/var/tmp", **os.environ}  # noqa: S108
    with report.status("mmdebstrap installs the packages"):
        process.stream(
            [
                "mmdebstrap",
                "--variant=minbase",
                f"--include={','.join(_packages(variant))}",
                f"--customize-hook=tar-in {overlay} /",
                '--customize-hook=chroot "$1" /customize',
                DEBIAN_SUITE,
                str(tree),
            ],
            report.line,
            env=environment,
        )
    with report.status("making a disk of the file tree"):
        # Only root, or the user namespace's root, sees the tree's owners as they will be.
        as_owner = [] if os.geteuid() == 0 else ["mmdebstrap", "--unshare-helper"]
        process.run(["sh", "-c", _BUILD_DISK, "sh", tree, directory, *as_owner], env=environment)
        overlay.unlink()
        tree.unlink()
        disks.take_out_kernel(SnapshotFiles(directory))


# The disk comes back through a pipe, as a tar file that preserves its holes: in a user namespace
# "root" may not write to this process's directories.
_BUILD_DISK = f"""
tree=$1 target=$2; shift 2
"$@" sh -euc '
    work=$(mktemp -d)
    trap "rm -rf $work" EXIT
    mkdir "$work/tree"
    tar -xf - -C "$work/tree" --numeric-owner --xattrs --xattrs-include="*"
    truncate -s {DISK_GIB}G "$work/disk.raw"
    mke2fs -q -t ext4 -L root -E assume_storage_prezeroed=1 -d "$work/tree" "$work/disk.raw"
    tar -cSf - -C "$work" disk.raw
' < "$tree" | tar -xSf - -C "$target"
"""


def _packages(variant: Variant) -> tuple[str, ...]:
    return (*PACKAGES, *MORE_PACKAGES.get(variant, ()))


def _overlay(variant: Variant) -> bytes:
    """Return a tar file of the files that are added to the packages; it depends on these alone."""
    guest = resources.files("amikiln_localcloud.machines") / "guest"
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        _add(tar, PurePosixPath("customize"), guest / "customize")
        for folder in variant.value:
            for path, file in _walk(guest / folder, PurePosixPath()):
                _add(tar, path, file)
    return whole.getvalue()


def _walk(folder: Traversable, below: PurePosixPath) -> Iterator[tuple[PurePosixPath, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _walk(entry, below / entry.name)
        else:
            yield below / entry.name, entry


def _add(tar: tarfile.TarFile, path: PurePosixPath, file: Traversable) -> None:
    content = file.read_bytes()
    for word, value in VALUES.items():
        content = content.replace(word.encode(), value.encode())
    member = tarfile.TarInfo(str(path))
    member.size = len(content)
    # A wheel does not preserve modes: programs are known by their first line.
    member.mode = 0o755 if content.startswith(b"#!") else 0o644
    tar.addfile(member, io.BytesIO(content))


def _check_space(directory: Path) -> None:
    free_mib = shutil.disk_usage(directory).free // 1024**2
    if free_mib < SPACE_NEEDED_MIB:
        raise LocalCloudError(
            f"building the base image needs {SPACE_NEEDED_MIB} MiB in {directory}; "
            f"{free_mib} MiB are free",
            hint="free some space, or move the cache with AMIKILN_CACHE",
        )
