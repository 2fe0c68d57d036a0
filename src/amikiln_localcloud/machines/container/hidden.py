"""The host's disks, which no program in a machine is shown: one might format what looks unused.

To open one is refused anyway (cgroups.py), but a script that lists disks would take the host's for
the machine's. /sys and /proc are the kernel's own, mounted anew for each machine: whatever names a
disk there is covered by something empty.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from amikiln_localcloud.machines.container.commands import run

LISTS = ("partitions", "diskstats", "swaps", "mdstat")
"""Files in /proc that name disks."""

SYS = ("block", "bus", "class", "dev", "devices", "kernel", "fs")
"""What systemd-nspawn shows of /sys; the rest is covered, too."""

CLASSES = (
    *("block", "bsg", "bdi", "nvme", "nvme-generic", "nvme-subsystem", "mmc_host"),
    *("scsi_device", "scsi_disk", "scsi_generic", "ata_device", "zram-control"),
)
"""Folders in /sys/class that name disks."""

BUSES = ("scsi", "nd", "mmc", "rbd")

NSPAWN = Path("/run/systemd/nspawn")
"""Where systemd-nspawn makes a folder for each machine, and takes it into the machine."""
EMPTY_FILE = NSPAWN / "empty"
EMPTY_FOLDER = NSPAWN / "nothing"
EMPTY_INSIDE = Path("/run/host/empty")
"""The same in the machine: nspawn looks in there for what is to cover a file of /proc."""
OS_RELEASES = (Path("/etc/os-release"), Path("/usr/lib/os-release"))


def cover_lists(proc: Path = Path("/proc")) -> list[str]:
    """Return systemd-nspawn's options that cover the files of /proc that name disks.

    Args:
        proc: The host's, for tests.
    """
    options = [f"--bind-ro={EMPTY_FILE}:{EMPTY_INSIDE}"]
    lists = (proc / name for name in LISTS)
    return options + [
        f"--bind-ro={EMPTY_INSIDE}:/proc/{path.name}" for path in lists if path.exists()
    ]


def find_disks(sys: Path = Path("/sys")) -> list[Path]:
    """Return the folders of a /sys that name disks, or that machines have no need to see."""
    return sorted({path for path in _list_candidates(sys) if path.is_dir()})


def _list_candidates(sys: Path) -> Iterator[Path]:
    yield from (path for path in sys.iterdir() if path.name not in SYS)
    yield from (path for path in (sys / "fs").glob("*") if path.name != "cgroup")
    yield from (sys / "block", sys / "dev/block", sys / "devices/virtual/block")
    yield from (sys / "class" / name for name in CLASSES)
    yield from (sys / "bus" / name / "devices" for name in BUSES)
    for disk in (sys / "class/block").glob("*"):
        folder = disk.resolve()
        # A partition's folder is in its disk's, and that one is covered.
        if not (folder / "partition").exists():
            yield folder.parent


def prepare() -> None:
    """In a machine's own mount namespace: what nspawn takes from the host comes from no disk.

    The folder that it makes for each machine, and never removes, goes with the namespace.
    """
    NSPAWN.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(NSPAWN))
    EMPTY_FILE.touch(mode=0o444)
    EMPTY_FOLDER.mkdir(mode=0o555)
    release = next((path.resolve() for path in OS_RELEASES if path.exists()), None)
    if release is not None:
        shutil.copy(release, NSPAWN / "os-release")
        run("mount", "--bind", str(NSPAWN / "os-release"), str(release))


def mount_sys(root: Path, network: Path) -> None:
    """Mount the /sys of a machine that is about to boot; systemd-nspawn keeps one that is there.

    Args:
        root: The machine's root folder.
        network: The file of its network namespace, whose cards it shows.
    """
    sys = root / "sys"
    if sys.is_mount():
        run("umount", "--recursive", str(sys))
    sys.mkdir(exist_ok=True)
    own = ["-t", "sysfs", "-o", "ro,nosuid,nodev,noexec", "sysfs"]
    run("nsenter", f"--net={network}", "mount", *own, str(sys))
    covers = [f"{EMPTY_FOLDER} {folder} none bind,ro 0 0\n" for folder in find_disks(sys)]
    table = NSPAWN / "fstab"
    table.write_text("".join(covers))
    run("mount", "--all", "--fstab", str(table))
