"""What tests of the machines' contract need of a kind of machines, whichever it is."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from amikiln_localcloud.machines.contract import (
    Ending,
    Hypervisor,
    InstanceMetadata,
    Machine,
    MachineFailure,
    MachinePlan,
    SnapshotFiles,
)

PATIENCE_SECONDS = 60.0
"""Much longer than anything here takes, and much shorter than ``NO_DEADLINE``."""
NO_DEADLINE = 3600.0

FIRST_ID = "i-0fffffffffffffff1"
SECOND_ID = "i-0fffffffffffffff2"

METADATA = InstanceMetadata(
    instance_id=FIRST_ID,
    ami_id="ami-0123456789abcdef0",
    instance_type="t3.large",
    region="us-east-1",
    availability_zone="us-east-1a",
    private_ip="10.1.2.3",
    public_ip="127.0.1.2",
    token_required=True,
)
"""A test instance's, without a key and without user data."""


@dataclass
class AnyKind:
    """A hypervisor without machines, and what a test needs to know of its kind.

    Attributes:
        source: A snapshot that its machines can start from.
        directory: The test's own; for snapshots.
        kill: Kills the processes of a machine that runs, as if they had crashed.
        runs: Tells whether processes of this machine run.
        hold: Makes a method, by its name, take a while; real ones do anyway.
        release: Lets what is held go on.
        is_busy: Tells whether a method of this machine is in progress.
    """

    hypervisor: Hypervisor
    source: SnapshotFiles
    directory: Path
    kill: Callable[[Machine], None]
    runs: Callable[[Machine], bool]
    is_busy: Callable[[Machine], bool]
    hold: Callable[[str], None] = lambda method: None
    release: Callable[[str], None] = lambda method: None
    endings: queue.SimpleQueue[tuple[Ending, str]] = field(default_factory=queue.SimpleQueue)
    _threads: frozenset[threading.Thread] = field(
        default_factory=lambda: frozenset(threading.enumerate())
    )

    def create(self, instance_id: str = FIRST_ID, source: SnapshotFiles | None = None) -> Machine:
        """Create a machine."""
        plan = MachinePlan(
            instance_id=instance_id,
            source=source or self.source,
            cores=1,
            memory_mib=1024,
            volume_gib=11,
            metadata=lambda: replace(METADATA, instance_id=instance_id),
        )
        return self.hypervisor.create(plan)

    def on_end(self, ending: Ending, why: str) -> None:
        self.endings.put((ending, why))

    def start(self) -> Machine:
        """Create a machine and start it."""
        machine = self.create()
        machine.start(self.on_end)
        return machine

    def await_ending(self) -> tuple[Ending, str]:
        return self.endings.get(timeout=PATIENCE_SECONDS)

    def assert_no_ending_is_told(self, *machines: Machine) -> None:
        """Destroy the machines, wait for all that could still call ``on_end``; none has."""
        for machine in machines:
            machine.destroy()
        for thread in set(threading.enumerate()) - self._threads:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive(), f"{thread.name} outlives its machine"
        assert self.endings.empty()

    @contextmanager
    def during(
        self, machine: Machine, method: str, call: Callable[[], None]
    ) -> Iterator[threading.Thread]:
        """Have a method called during the block, in another thread; it may fail, but must end."""

        def run() -> None:
            with contextlib.suppress(MachineFailure):
                call()

        thread = threading.Thread(target=run, name=method)
        self.hold(method)
        thread.start()
        while thread.is_alive() and not self.is_busy(machine):
            thread.join(0.001)
        yield thread
        self.release(method)
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive(), f"{method} did not return"

    @property
    def snapshots(self) -> Path:
        """Where these tests save disks."""
        return self.directory / "snapshots"

    def saved_names(self) -> list[str]:
        """Return the names of everything that saving has left, complete or not."""
        return [path.name for path in self.snapshots.glob("*")]  # finds hidden ones too


def link_snapshot(source: SnapshotFiles, directory: Path) -> SnapshotFiles:
    """Return a snapshot with the content of another, that a test may remove."""
    directory.mkdir()
    for file in source.directory.iterdir():
        (directory / file.name).symlink_to(file)
    return SnapshotFiles(directory)
