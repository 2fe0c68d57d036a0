"""Copies a disk that is in use, by QEMU's backup job: in QEMU itself, or in its storage daemon.

https://www.qemu.org/docs/master/interop/live-block-operations.html
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amikiln_localcloud.machines import disks
from amikiln_localcloud.machines.contract import MachineFailure
from amikiln_localcloud.machines.qmp import QmpClient, QmpError

DISK_NODE = "disk"
JOB = "copy"


class DiskCopy:
    """One copy of the disk as it is at the moment when it begins.

    Args:
        target: An overlay like the machine's own, over the same snapshot, without data.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._events: list[Mapping[str, Any]] = []
        self._over = threading.Event()

    def note(self, event: str, data: Mapping[str, Any]) -> None:
        """Take an event of the monitor's."""
        if event in {"BLOCK_JOB_COMPLETED", "BLOCK_JOB_CANCELLED"}:
            self._events.append(data)
            self._over.set()

    def give_up(self) -> None:
        """Nothing more will be heard: the machine has ended."""
        self._over.set()

    def prepare(self, qmp: QmpClient) -> None:
        """Open the target.

        Raises:
            QmpError: It was refused, as everything below.
        """
        file = {"driver": "file", "filename": str(self._target)}
        qmp.execute("blockdev-add", driver="qcow2", node_name=JOB, file=file)

    def begin(self, qmp: QmpClient) -> None:
        """Start the job: from now on, what is about to be overwritten is copied before."""
        try:
            qmp.execute("blockdev-backup", job_id=JOB, device=DISK_NODE, target=JOB, sync="top")
        except QmpError:
            qmp.execute("blockdev-del", node_name=JOB)
            raise

    def finish(self, qmp: QmpClient) -> None:
        """Wait for the job's end.

        Raises:
            MachineFailure: The copy is not complete.
        """
        self._over.wait()
        qmp.execute("blockdev-del", node_name=JOB)
        problem = next((str(event["error"]) for event in self._events if "error" in event), None)
        if problem or not self._events:
            raise self.failure(problem or "the machine ended meanwhile")

    def failure(self, reason: str) -> MachineFailure:
        """Return the error that explains why there is no copy."""
        return MachineFailure(disks.explain_copy_failure(self._target, reason))
