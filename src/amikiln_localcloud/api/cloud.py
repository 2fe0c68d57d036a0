"""What every part of the local cloud's API side shares: the lock, the state file, the machines."""

from __future__ import annotations

import logging
import queue
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from amikiln.runtime.files import write_atomically
from amikiln_localcloud.api.late import Lateness
from amikiln_localcloud.api.snapshots import SnapshotStore
from amikiln_localcloud.api.state_file import StateFile
from amikiln_localcloud.home import Home
from amikiln_localcloud.machines.contract import Hypervisor

log = logging.getLogger("amikiln.cloud")


@dataclass(frozen=True)
class Timeouts:
    """How long the local cloud waits, in seconds.

    Attributes:
        stop: From the power button to pulling the plug. EC2 gives a guest some minutes; under
            emulation a busy guest needs most of them.
        relaunch_first: Pause of an Auto Scaling group after a launch that failed.
        relaunch_longest: The limit of that pause, which doubles with each failure in a row.
        health_check: Between two checks of the status of the groups' instances.
    """

    stop: float = 120.0
    relaunch_first: float = 5.0
    relaunch_longest: float = 300.0
    health_check: float = 15.0


def _keep_identity(file: Path) -> str:
    """Return the cloud's id, which is made once and removed by a reset with all the rest."""
    if not file.exists():
        write_atomically(file, f"local-{secrets.token_hex(8)}")
    return file.read_text()


class Cloud:
    """One running local cloud.

    moto is not thread-safe: its objects are read and changed inside ``change()`` only. A
    machine's blocking methods are called outside of it.
    """

    def __init__(
        self,
        home: Home,
        hypervisor: Hypervisor,
        timeouts: Timeouts | None = None,
        late: Lateness | None = None,
    ) -> None:
        self.home = home
        self.identity = _keep_identity(home.identity)
        self.hypervisor = hypervisor
        self.timeouts = timeouts or Timeouts()
        self.late = late or Lateness()
        self.snapshots = SnapshotStore(home.snapshots)
        self.state_file = StateFile(home.state_file)
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.closing = False
        self.worker = Worker("follow-up")

    @contextmanager
    def change(self, *, persistent: bool = True) -> Iterator[None]:
        """Hold the lock; at the end, write the state file and wake all who wait for a change.

        Args:
            persistent: Whether something that survives the daemon may have changed.
        """
        with self.lock:
            try:
                yield
            finally:
                try:
                    if persistent and not self.closing:
                        self.state_file.write()
                finally:
                    self.changed.notify_all()

    def wait_until(self, condition: Callable[[], bool], timeout_seconds: float) -> bool:
        """Wait for a condition that changes made inside ``change()`` can make true.

        Returns:
            Whether the condition was true in time.
        """
        with self.changed:
            return self.changed.wait_for(condition, timeout_seconds)

    def run_in_background(self, name: str, work: Callable[[], None]) -> None:
        """Run work in its own thread; its exceptions are logged."""

        def guarded() -> None:
            try:
                work()
            except Exception:
                log.exception("%s failed", name)

        threading.Thread(target=guarded, name=name, daemon=True).start()


class Worker:
    """Runs one resource's slow tasks one after the other, in the order they were submitted."""

    def __init__(self, name: str) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], None]) -> None:
        """Add a task to the end of the queue; its exceptions are logged."""
        self._work.put(work)

    def finish(self) -> None:
        """End the thread after what was submitted so far."""
        self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                work()
            except Exception:
                log.exception("work of %s failed", self._thread.name)
