"""The disk of a container machine: what is written through the whole chain is what is read."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from amikiln.runtime import process
from amikiln_localcloud.machines import disks
from amikiln_localcloud.machines.container import trial
from amikiln_localcloud.machines.contract import SnapshotFiles
from vm import random_blocks

pytestmark = pytest.mark.vm

SEED = 20261125
SNAPSHOT_BYTES = 256 * 1024**2
OBSTACLE = trial.find_missing()


@pytest.mark.skipif(OBSTACLE is not None, reason=f"no container machines: {OBSTACLE}")
def test_random_blocks_are_in_the_flattened_disk(tmp_path: Path) -> None:
    snapshot = SnapshotFiles(tmp_path / "snap")
    snapshot.directory.mkdir()
    before = os.urandom(1024**2) * (SNAPSHOT_BYTES // 1024**2)
    snapshot.disk.write_bytes(before)
    machine = tmp_path / ("machine" * 15)  # longer than the path of a unix socket may be
    machine.mkdir()
    disks.create_overlay(snapshot, machine / "disk.qcow2", 1)

    apart = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child=KILL"]
    writer = [sys.executable, random_blocks.__file__, machine, str(SEED)]
    process.run([*apart, *writer], timeout_seconds=120)
    disks.flatten(machine / "disk.qcow2", tmp_path / "flat.raw")

    expected = bytearray(before.ljust(1024**3, b"\0"))
    for thread in range(random_blocks.THREADS):
        for place, block in random_blocks.blocks(SEED, thread):
            expected[place : place + len(block)] = block
    found = (tmp_path / "flat.raw").read_bytes()
    wrong = [
        place
        for place in range(0, len(expected), random_blocks.SECTOR_BYTES)
        if found[place : place + random_blocks.SECTOR_BYTES]
        != expected[place : place + random_blocks.SECTOR_BYTES]
    ]
    assert wrong == []
    assert snapshot.disk.read_bytes() == before
    assert str(machine) not in process.run(["losetup", "--list", "--noheadings"]).stdout.decode()
