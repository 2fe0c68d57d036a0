"""Disks, with real file systems and no boot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from amikiln.runtime import process
from amikiln_localcloud.machines import disks
from amikiln_localcloud.machines.contract import MachineFailure, SnapshotFiles

MIB = 1024**2


def make_snapshot(directory: Path, boot: dict[str, str]) -> SnapshotFiles:
    """Return a snapshot whose file system has these files below /boot; a -> makes a link."""
    tree = directory / "tree"
    (tree / "boot").mkdir(parents=True)
    for name, content in boot.items():
        path = tree / "boot" / name
        if content.startswith("->"):
            path.symlink_to(content.removeprefix("->"))
        else:
            path.write_text(content)
    snapshot = SnapshotFiles(directory / "snap-1")
    snapshot.directory.mkdir()
    with snapshot.disk.open("wb") as disk:
        disk.truncate(16 * MIB)
    process.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, snapshot.disk])
    return snapshot


def test_the_kernel_that_is_linked_to_is_taken_out(tmp_path: Path) -> None:
    snapshot = make_snapshot(
        tmp_path,
        {
            "vmlinuz-6.1": "old",
            "initrd.img-6.1": "old initrd",
            "vmlinuz-6.12": "new",
            "../vmlinuz": "->boot/vmlinuz-6.1",
        },
    )
    disks.take_out_kernel(snapshot)
    assert snapshot.kernel.read_text() == "old"
    assert snapshot.initrd.read_text() == "old initrd"


def test_without_a_link_the_newest_kernel_is_taken_out(tmp_path: Path) -> None:
    snapshot = make_snapshot(
        tmp_path,
        {
            "vmlinuz-6.9.3-cloud": "old",
            "vmlinuz-6.12.117+deb13-cloud-amd64": "new",
            "initramfs-6.12.117+deb13-cloud-amd64.img": "new initrd",
        },
    )
    disks.take_out_kernel(snapshot)
    assert snapshot.kernel.read_text() == "new"
    assert snapshot.initrd.read_text() == "new initrd"


@pytest.mark.parametrize(
    ("config", "alone"),
    [
        ("CONFIG_BLK_DEV_NVME=y\nCONFIG_EXT4_FS=y\n", True),
        ("CONFIG_BLK_DEV_NVME=m\nCONFIG_EXT4_FS=y\n", False),
    ],
)
def test_an_initrd_is_taken_out_only_if_the_kernel_needs_it(
    tmp_path: Path, config: str, alone: bool
) -> None:
    boot = {"vmlinuz-6": "kernel", "config-6": config, "initrd.img-6": "initrd"}
    snapshot = make_snapshot(tmp_path, boot)
    disks.take_out_kernel(snapshot)
    assert snapshot.initrd.exists() is not alone


def test_a_disk_without_a_kernel_is_refused(tmp_path: Path) -> None:
    snapshot = make_snapshot(tmp_path, {"grub": "nothing of use"})
    with pytest.raises(MachineFailure, match=r"no kernel /boot/vmlinuz-\* in .*disk\.raw"):
        disks.take_out_kernel(snapshot)


def test_a_kernel_that_misses_its_initrd_is_refused(tmp_path: Path) -> None:
    snapshot = make_snapshot(tmp_path, {"vmlinuz-6": "kernel"})
    with pytest.raises(MachineFailure, match=r"kernel 6 in .* needs an initrd, and has none"):
        disks.take_out_kernel(snapshot)


def test_an_overlay_has_the_wanted_size_and_keeps_its_source(tmp_path: Path) -> None:
    snapshot = make_snapshot(tmp_path, {"vmlinuz-6": "kernel"})
    overlay = tmp_path / "disk.qcow2"
    disks.create_overlay(snapshot, overlay, volume_gib=3)
    info = json.loads(process.run(["qemu-img", "info", "--output=json", overlay]).stdout)
    assert info["virtual-size"] == 3 * disks.GIB
    assert info["backing-filename"] == str(snapshot.disk)


def test_a_source_larger_than_the_volume_is_not_cut(tmp_path: Path) -> None:
    snapshot = SnapshotFiles(tmp_path)
    with snapshot.disk.open("wb") as disk:
        disk.truncate(2 * disks.GIB)
    overlay = tmp_path / "disk.qcow2"
    disks.create_overlay(snapshot, overlay, volume_gib=1)
    info = json.loads(process.run(["qemu-img", "info", "--output=json", overlay]).stdout)
    assert info["virtual-size"] == 2 * disks.GIB


def test_an_overlay_over_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MachineFailure, match="snapshot's disk cannot be read"):
        disks.create_overlay(SnapshotFiles(tmp_path / "gone"), tmp_path / "disk.qcow2", 1)


def test_flattening_keeps_content_and_holes(tmp_path: Path) -> None:
    snapshot = make_snapshot(tmp_path, {"vmlinuz-6": "kernel"})
    overlay, flat = tmp_path / "disk.qcow2", tmp_path / "flat.raw"
    disks.create_overlay(snapshot, overlay, volume_gib=1)
    disks.flatten(overlay, flat)
    with snapshot.disk.open("rb") as before, flat.open("rb") as after:
        assert after.read(16 * MIB) == before.read()
    assert flat.stat().st_size == disks.GIB
    assert flat.stat().st_blocks * 512 < 16 * MIB


def test_a_full_disk_is_named_with_what_is_free(tmp_path: Path) -> None:
    said = disks.explain_copy_failure(
        tmp_path / "disk.raw", "error writing: No space left on device"
    )
    assert f"no space left on the file system of {tmp_path}" in said
    assert "MiB free" in said


def test_a_copy_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(MachineFailure, match=r"cannot save the disk as .*gone/flat\.raw"):
        disks.flatten(tmp_path / "no.qcow2", tmp_path / "gone" / "flat.raw")


def test_a_snapshot_appears_complete(tmp_path: Path) -> None:
    target = SnapshotFiles(tmp_path / "snapshots" / "snap-1")
    with disks.fill_snapshot(target) as partial:
        partial.disk.write_text("content")
        assert not target.directory.exists()
    assert target.disk.read_text() == "content"
    assert [entry.name for entry in target.directory.parent.iterdir()] == ["snap-1"]


def test_a_snapshot_that_fails_leaves_nothing(tmp_path: Path) -> None:
    target = SnapshotFiles(tmp_path / "snapshots" / "snap-1")

    def fill() -> None:
        with disks.fill_snapshot(target) as partial:
            partial.disk.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(MachineFailure, match="No space left on device"):
        fill()
    assert list(target.directory.parent.iterdir()) == []


def test_a_disk_that_is_no_file_system_is_refused(tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    disk.write_bytes(b"\x55" * MIB)
    with pytest.raises(MachineFailure, match="is damaged"):
        disks.replay_journal(disk)
