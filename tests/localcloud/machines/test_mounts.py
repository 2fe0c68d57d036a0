"""What is mounted, and what follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from amikiln_localcloud.machines.container import limits, mounts
from amikiln_localcloud.machines.container.cgroups import Hierarchies
from amikiln_localcloud.machines.container.mounts import Mount

BOTH_VERSIONS = """\
/dev/vda / ext4 rw,discard 0 0
devtmpfs /dev devtmpfs rw,relatime 0 0
cgroup /sys/fs/cgroup/devices cgroup rw,relatime,devices 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
cgroup2 /mnt/a\\040second\\134one cgroup2 rw 0 0
"""


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "mounts"
    path.write_text(BOTH_VERSIONS)
    monkeypatch.setattr(mounts, "MOUNTS", path)
    return path


def test_each_line_is_a_mount(table: Path) -> None:
    first, *_, last = mounts.read_mounts()
    assert first == Mount(Path("/"), "ext4", ["rw", "discard"])
    assert last.place == Path("/mnt/a second\\one")


def test_hierarchies_are_where_they_are_mounted(table: Path) -> None:
    found = Hierarchies.of_this_host()
    assert found == Hierarchies(
        Path("/sys/fs/cgroup/unified"), {"devices": Path("/sys/fs/cgroup/devices")}
    )


def test_without_version_2_there_is_none(table: Path) -> None:
    table.write_text(BOTH_VERSIONS.replace("cgroup2", "tmpfs"))
    assert Hierarchies.of_this_host() is None


def test_a_dev_that_something_else_covers_gets_no_new_loop_devices(table: Path) -> None:
    assert limits._is_devtmpfs(Path("/dev"))
    with table.open("a") as more:
        more.write("tmpfs /dev tmpfs rw 0 0\n")
    assert not limits._is_devtmpfs(Path("/dev"))
