"""Fake machines, so that the API side is tested in milliseconds.

``machine_contract.py`` holds them to what real ones do.

They boot at once, or when told to; they can fail to be made, to start or to be saved, hang,
shut down from inside, and panic. Saving writes a small real directory.
"""

from __future__ import annotations

import threading
from pathlib import Path

from amikiln_localcloud.machines.contract import (
    Ending,
    Health,
    MachineFailure,
    MachinePlan,
    OnEnd,
    SnapshotFiles,
)


class FakeMachine:
    def __init__(self, hypervisor: FakeHypervisor, plan: MachinePlan, address: str) -> None:
        self.plan = plan
        self.address = address
        self.health = Health.INITIALIZING
        self.running = False
        self.hangs = False
        self.was_destroyed = threading.Event()
        self.stops: list[float] = []
        self.boots = 0
        self.reboots = 0
        self.saves = 0
        self.output = b""
        self._hypervisor = hypervisor
        self._on_end: OnEnd | None = None

    @property
    def destroyed(self) -> bool:
        return self.was_destroyed.is_set()

    # -- the contract -----------------------------------------------------------------------

    def start(self, on_end: OnEnd) -> None:
        self._begin("start")
        if self.running:
            raise MachineFailure("the machine runs already")
        self._check_disk()
        self._on_end = on_end
        self.boots += 1
        self._boot()

    def stop(self, deadline_seconds: float) -> None:
        self._hypervisor.check_lock_is_free()
        self.stops.append(deadline_seconds)
        self._hypervisor.wait_at("stop", self)
        self.running = False

    def reboot(self, deadline_seconds: float) -> None:
        self.running = False
        self._begin("reboot")
        self._check_disk()
        self.reboots += 1
        self._boot()

    def destroy(self) -> None:
        self._hypervisor.check_lock_is_free()
        self.running = False
        self.was_destroyed.set()
        self._hypervisor.wake_up()

    def console(self) -> bytes:
        return self.output

    def save(self, target: SnapshotFiles) -> None:
        self._begin("save")
        self._check_disk()
        self.saves += 1
        half = target.directory.with_name(f".{target.directory.name}.half")
        write_snapshot(SnapshotFiles(half), f"disk of {self.plan.instance_id}")
        half.rename(target.directory)

    # -- what a test makes the guest do ------------------------------------------------------

    def shut_down_from_inside(self) -> None:
        self._end(Ending.GUEST_SHUT_DOWN, "it was told to")

    def die(self) -> None:
        """End as when QEMU is killed."""
        self._end(Ending.PROCESS_DIED, "QEMU exited with -9")

    def panic(self) -> None:
        """Keep running, but answer no status check."""
        self.output += b"Kernel panic - not syncing\r\n"
        self.health = Health.IMPAIRED

    def _end(self, ending: Ending, why: str) -> None:
        assert self.running, "a machine that does not run cannot end"
        assert self._on_end is not None
        self.running = False
        # From another thread than the test's, as a real machine does; the test goes on after it.
        told = threading.Thread(target=self._on_end, args=(ending, why), name="fake machine")
        told.start()
        told.join()

    # -- what several methods do -------------------------------------------------------------

    def _begin(self, what: str) -> None:
        self._hypervisor.check_lock_is_free()
        self._hypervisor.wait_at(what, self)
        if why := self._hypervisor.take_failure(what):
            raise MachineFailure(why)
        if self.destroyed:
            raise MachineFailure(f"no {what}: {self.plan.instance_id} is terminated")

    def _boot(self) -> None:
        self.running = True
        self.health = Health.OK
        self.output = b"booted %s\r\n" % self.plan.instance_id.encode()

    def _check_disk(self) -> None:
        """A machine's disk is nothing without the snapshot that it came from."""
        if not self.plan.source.disk.is_file():
            raise MachineFailure(f"{self.plan.source.disk} is missing")


class FakeHypervisor:
    """Makes fake machines.

    Attributes:
        machines: By instance id, in the order of their making; destroyed ones too.
    """

    def __init__(self) -> None:
        self.machines: dict[str, FakeMachine] = {}
        self.lock: threading.RLock | None = None
        self.closed = False
        self.swept = 0
        self._failures: dict[str, list[str]] = {}
        self._held: set[str] = set()
        self._changed = threading.Condition()

    # -- the contract -----------------------------------------------------------------------

    def create(self, plan: MachinePlan) -> FakeMachine:
        self.check_lock_is_free()
        self.wait_at("create")
        if why := self.take_failure("create"):
            raise MachineFailure(why)
        if not plan.source.disk.is_file():
            raise MachineFailure(f"{plan.source.disk} is missing")
        # Loopback addresses, like the real ones.
        machine = FakeMachine(self, plan, f"127.0.1.{len(self.machines) + 2}")
        self.machines[plan.instance_id] = machine
        return machine

    def sweep(self) -> None:
        self.swept += 1

    def close(self) -> None:
        self.closed = True
        with self._changed:
            self._held.clear()
            self._changed.notify_all()
        for machine in list(self.machines.values()):
            machine.destroy()

    # -- what a test decides -----------------------------------------------------------------

    def fail_next(self, what: str, why: str, times: int = 1) -> None:
        """Let the next ``create``, ``start``, ``reboot`` or ``save`` fail."""
        self._failures.setdefault(what, []).extend([why] * times)

    def stop_failing(self) -> None:
        self._failures.clear()

    def hold(self, what: str) -> None:
        """Let every ``create``, or every call of a machine's method, hang until released.

        A machine that is destroyed does not hang any longer.
        """
        with self._changed:
            self._held.add(what)

    def release(self, what: str) -> None:
        with self._changed:
            self._held.discard(what)
            self._changed.notify_all()

    # -- for the machines --------------------------------------------------------------------

    def wait_at(self, what: str, machine: FakeMachine | None = None) -> None:
        """Hang while this is held and the machine is not destroyed."""

        def may_go_on() -> bool:
            return what not in self._held or (machine is not None and machine.destroyed)

        with self._changed:
            if machine is not None:
                machine.hangs = not may_go_on()
            self._changed.wait_for(may_go_on, timeout=30)
            if machine is not None:
                machine.hangs = False

    def wake_up(self) -> None:
        """Let those that hang see that a machine was destroyed."""
        with self._changed:
            self._changed.notify_all()

    def take_failure(self, what: str) -> str | None:
        waiting = self._failures.get(what)
        return waiting.pop(0) if waiting else None

    def check_lock_is_free(self) -> None:
        """The contract: no method that may block is called with the API's lock held."""
        if self.lock is not None:
            assert not self.lock._is_owned(), "called while holding the cloud's lock"


def write_snapshot(files: SnapshotFiles, content: str) -> None:
    """Write a snapshot's files; small, but real."""
    files.directory.mkdir(parents=True)
    files.disk.write_text(content)
    files.kernel.write_text("kernel")
    files.initrd.write_text("initrd")


def make_base(directory: Path) -> SnapshotFiles:
    """Return the files of a base image, made once in this directory."""
    files = SnapshotFiles(directory / "base")
    if not files.directory.exists():
        write_snapshot(files, "disk of the base image")
    return files
