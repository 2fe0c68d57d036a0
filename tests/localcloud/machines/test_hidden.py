"""What of the host's /proc and /sys machines are not shown."""

from __future__ import annotations

from pathlib import Path

from amikiln_localcloud.machines.container import hidden


def test_what_names_a_disk_in_sys_is_found(tmp_path: Path) -> None:
    controller = "devices/pci0000:00/0000:00:1f.0/nvme/nvme0"
    for folder in (
        "block",
        "bus/scsi/devices",
        "bus/pci/devices",
        "class/block",
        "class/net",
        "class/nvme",
        "dev/block",
        "dev/char",
        "fs/cgroup",
        "fs/ext4/sda1",
        "firmware/efi",
        "kernel",
        "devices/virtual/block/loop0",
        "devices/virtual/net/lo",
        "devices/platform/ata1/sda/sda1",
        f"{controller}/nvme0n1",
    ):
        (tmp_path / folder).mkdir(parents=True)
    for disk in ("virtual/block/loop0", "platform/ata1/sda", "platform/ata1/sda/sda1"):
        (tmp_path / "class/block" / disk.rpartition("/")[2]).symlink_to(tmp_path / "devices" / disk)
    (tmp_path / "devices/platform/ata1/sda/sda1/partition").write_text("1\n")
    (tmp_path / "class/block/nvme0n1").symlink_to(tmp_path / controller / "nvme0n1")

    found = [str(path.relative_to(tmp_path)) for path in hidden.find_disks(tmp_path)]

    assert found == [
        "block",
        "bus/scsi/devices",
        "class/block",
        "class/nvme",
        "dev/block",
        controller,
        "devices/platform/ata1",
        "devices/virtual/block",
        "firmware",
        "fs/ext4",
    ]


def test_lists_of_disks_in_proc_are_covered_where_the_kernel_has_them(tmp_path: Path) -> None:
    for name in ("partitions", "mdstat", "meminfo"):
        (tmp_path / name).touch()
    assert hidden.cover_lists(tmp_path) == [
        "--bind-ro=/run/systemd/nspawn/empty:/run/host/empty",
        "--bind-ro=/run/host/empty:/proc/partitions",
        "--bind-ro=/run/host/empty:/proc/mdstat",
    ]
