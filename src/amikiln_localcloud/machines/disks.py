"""Makes machines' disks, which are overlays over snapshots, and snapshots from those disks.

A snapshot's disk is a sparse raw file. It can be read with debugfs, and does not depend on any
other file: the snapshot that it came from can be deleted.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amikiln.runtime import process
from amikiln.runtime.files import fill_atomically
from amikiln_localcloud.machines.contract import MachineFailure, SnapshotFiles

GIB = 1024**3


def create_overlay(source: SnapshotFiles, overlay: Path, volume_gib: int) -> None:
    """Create a machine's disk, which reads everything not written yet from the snapshot.

    Args:
        source: The snapshot; it is not written to.
        overlay: The qcow2 file to create.
        volume_gib: The size in GiB; the source's size if that is larger.

    Raises:
        MachineFailure: The snapshot is missing, or the file cannot be made.
    """
    try:
        size = max(volume_gib * GIB, source.disk.stat().st_size)
    except OSError as error:
        raise MachineFailure(f"the snapshot's disk cannot be read: {error}") from error
    backing = ["-b", str(source.disk), "-F", "raw"]
    try:
        process.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, overlay, str(size)])
    except process.CommandFailed as error:
        raise MachineFailure(f"cannot make the disk {overlay}: {error.what}") from error


@contextmanager
def fill_snapshot(target: SnapshotFiles) -> Iterator[SnapshotFiles]:
    """Yield a directory to fill; it gets the target's name when the block ends without error.

    Raises:
        MachineFailure: The directory could not be written, for example because the disk is full.
    """
    try:
        with fill_atomically(target.directory) as partial:
            yield SnapshotFiles(partial)
    except OSError as error:
        raise MachineFailure(f"cannot write {target.directory}: {error.strerror}") from error


def flatten(overlay: Path, target: Path) -> None:
    """Copy the whole disk of a machine that does not run into one sparse raw file.

    Raises:
        MachineFailure: The copy is not complete; the message has qemu-img's reason.
    """
    try:
        # Many requests at once, written as they come: half the time of one after the other.
        process.run(["qemu-img", "convert", "-m", "16", "-W", "-O", "raw", overlay, target])
    except process.CommandFailed as error:
        raise MachineFailure(explain_copy_failure(target, error.what)) from error


def explain_copy_failure(target: Path, reason: str) -> str:
    """Return in one line why a disk was not copied; with the free space, if that ran out."""
    if "No space left" in reason:
        free_mib = shutil.disk_usage(target.parent).free // 1024**2
        reason = f"no space left on the file system of {target.parent} ({free_mib} MiB free)"
    return f"cannot save the disk as {target}: {reason}"


def replay_journal(disk: Path) -> None:
    """Bring a file system that was copied while in use to its last committed state.

    The next boot would do the same, but the kernel is read from it before that.

    Raises:
        MachineFailure: It is not ext4, or damaged beyond its journal.
    """
    try:
        process.run(["e2fsck", "-y", "-E", "journal_only", disk])
    except process.CommandFailed as error:
        repaired = error.exit_code_seen == 1  # e2fsck(8)
        if not repaired:
            raise MachineFailure(f"the file system in {disk} is damaged: {error.what}") from error


def take_out_kernel(snapshot: SnapshotFiles) -> None:
    """Copy the kernel, and the initrd if the kernel needs it, out of the snapshot's disk.

    Raises:
        MachineFailure: There is no kernel, or no ext4 file system.
    """
    names = _names(snapshot.disk, "/boot")
    release = _kernel_release(snapshot.disk, names)
    _take_out(snapshot.disk, f"/boot/vmlinuz-{release}", snapshot.kernel)
    if _mounts_root_alone(snapshot.disk, release, names):
        return
    for name in (f"initrd.img-{release}", f"initramfs-{release}.img", f"initrd-{release}"):
        if name in names:
            _take_out(snapshot.disk, f"/boot/{name}", snapshot.initrd)
            return
    raise MachineFailure(f"kernel {release} in {snapshot.disk} needs an initrd, and has none")


def _kernel_release(disk: Path, names: set[str]) -> str:
    """Return the release that a boot loader would start: the linked one, or else the newest."""
    for link in ("/vmlinuz", "/boot/vmlinuz"):
        stat = _debugfs(disk, f"stat {link}")
        destination = re.search(r'link dest: "(?:.*/)?vmlinuz-([^"/]+)"', stat)
        if destination and f"vmlinuz-{destination[1]}" in names:
            return destination[1]
    releases = [name.removeprefix("vmlinuz-") for name in names if name.startswith("vmlinuz-")]
    if not releases:
        raise MachineFailure(f"there is no kernel /boot/vmlinuz-* in {disk}")
    return max(releases, key=_version)


def _version(release: str) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdigit() else (-1, part)
        for part in re.findall(r"\d+|[a-z]+", release.lower())
    ]


def _mounts_root_alone(disk: Path, release: str, names: set[str]) -> bool:
    """Return whether NVMe and ext4 are built into the kernel, as in Debian's cloud kernel.

    Without KVM, unpacking an initrd and finding the root disk from there takes seconds.
    """
    if f"config-{release}" not in names:
        return False
    config = set(_debugfs(disk, f"cat /boot/config-{release}").splitlines())
    return {"CONFIG_BLK_DEV_NVME=y", "CONFIG_EXT4_FS=y"} <= config


def _names(disk: Path, directory: str) -> set[str]:
    lines = _debugfs(disk, f"ls -p {directory}").splitlines()
    return {line.split("/")[5] for line in lines if line.startswith("/")}


def _take_out(disk: Path, path: str, target: Path) -> None:
    _debugfs(disk, f"dump {path} {target}")
    if not target.exists() or not target.stat().st_size:
        raise MachineFailure(f"cannot take {path} out of {disk}")


def _debugfs(disk: Path, request: str) -> str:
    """Run one request of debugfs(8), which exits with 0 even when it found nothing."""
    try:
        return process.run(["debugfs", "-R", request, disk]).stdout.decode(errors="replace")
    except process.CommandFailed as error:
        raise MachineFailure(f"cannot read the file system in {disk}: {error.what}") from error
