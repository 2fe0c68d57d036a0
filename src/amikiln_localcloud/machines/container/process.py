"""One boot of a container machine: started already, watched, stopped; its disk copied meanwhile."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import select
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from amikiln_localcloud.machines.container import freezer
from amikiln_localcloud.machines.container.commands import (
    BETWEEN_LOOKS_SECONDS,
    STOPPED_LOOKS,
    is_stopped,
)
from amikiln_localcloud.machines.container.keeper import Keeper
from amikiln_localcloud.machines.container.namespaces import Started, read_message
from amikiln_localcloud.machines.contract import Ending, Health, MachineFailure, OnEnd
from amikiln_localcloud.machines.disk_copy import DiskCopy
from amikiln_localcloud.machines.qmp import QmpClient, QmpError
from amikiln_localcloud.machines.unix_sockets import connect_to

log = logging.getLogger("amikiln.machines")

BETWEEN_PROBES_SECONDS = 5.0
FIRST_PROBE_SECONDS = 0.5
START_SECONDS = 300.0
"""For e2fsck and resize2fs of a large disk on a busy host."""
SILENCE_BOUND_SECONDS = 20.0
BOOT_BOUND_SECONDS = 300.0
"""Without any answer; a boot takes a second or two, and more where many boot at once."""
FREEZE_SECONDS = 10.0


class ContainerProcess:
    """One machine's supervisor and what is below it, from the start to the end.

    Args:
        started: The supervisor, which has its network.
        directory: The machine's.
        keeper: Does what needs root; ends what is left when it has ended.
        close: Called once when it has ended: what listened for it is closed.
        on_end: Called once, from a thread of its own, if it ends without being told to.
    """

    def __init__(
        self,
        started: Started,
        directory: Path,
        keeper: Keeper,
        close: Callable[[], None],
        on_end: OnEnd,
    ) -> None:
        self._started = started
        self._directory = directory
        self._keeper = keeper
        self._close = close
        self._on_end = on_end
        self._expected = False
        self._why = "the supervisor ended"
        self._running = threading.Event()
        self._roots: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._last_answer = time.monotonic()
        self._probed = threading.Event()
        self._probed.set()
        self.health = Health.INITIALIZING
        self.ended = threading.Event()
        threading.Thread(target=self._listen, name="machine", daemon=True).start()
        threading.Thread(target=self._watch_network, name="network", daemon=True).start()

    def wait_until_running(self) -> None:
        """Return when systemd-nspawn runs.

        Raises:
            MachineFailure: It ended before, or took too long; why, in its own words.
        """
        if not self._running.wait(START_SECONDS):
            self._why = f"its disk was not mounted in {START_SECONDS:.0f} s"
            self.kill()
        if self.ended.is_set():
            raise MachineFailure(f"the machine did not start: {self._why}")

    def shut_down(self, deadline_seconds: float) -> None:
        """Ask PID 1 to shut down; kill everything after the deadline."""
        self._expected = True
        self._order("stop")
        if not self.ended.wait(deadline_seconds):
            self.kill()

    def kill(self) -> None:
        """Pull the plug."""
        self._expected = True
        self._started.process.kill()
        self.ended.wait()

    def copy_writes(self, target: Path) -> None:
        """Copy what was written to the disk until this moment, while the machine goes on.

        The file system is frozen only while the copy begins: from then on, what is about to be
        overwritten is copied before (https://www.qemu.org/docs/master/interop/live-block-operations.html).

        Args:
            target: An overlay like the machine's own, over the same snapshot, without data.

        Raises:
            MachineFailure: The copy is not complete.
        """
        try:
            monitor = connect_to(self._directory / "monitor")
        except OSError as error:
            raise MachineFailure(f"the disk cannot be copied: {error.strerror}") from error
        copy = DiskCopy(target)
        qmp = QmpClient(monitor, copy.note)

        def give_up_without_storage() -> None:
            qmp.join()
            copy.give_up()

        threading.Thread(target=give_up_without_storage, daemon=True).start()
        try:
            qmp.execute("qmp_capabilities")
            copy.prepare(qmp)
            with self._frozen():
                copy.begin(qmp)
            copy.finish(qmp)
        except QmpError as error:
            raise copy.failure(str(error)) from error
        finally:
            # Its reader still has the socket: closing alone would leave the monitor, which serves
            # one client at a time, taken for the next copy.
            with contextlib.suppress(OSError):
                monitor.shutdown(socket.SHUT_RDWR)
            monitor.close()

    @contextlib.contextmanager
    def _frozen(self) -> Iterator[None]:
        """Hold the file system still during the block, whoever dies meanwhile."""
        self._order("root")
        try:
            root = self._roots.get(timeout=FREEZE_SECONDS)
        except queue.Empty:
            root = None
        if root is None:
            raise MachineFailure("the machine ended, or hangs, before its disk could be copied")
        done, frozen = os.pipe()
        until, ending = os.pipe()
        try:
            self._keeper.start_freezer(root, until, frozen)
        except (MachineFailure, OSError) as error:
            os.close(ending)
            os.close(done)
            raise MachineFailure(f"the file system could not be frozen: {error}") from error
        finally:
            for descriptor in (root, frozen, until):
                os.close(descriptor)
        with open(ending, "wb", buffering=0), open(done, "rb", buffering=0) as answer:
            readable, _, _ = select.select([answer], [], [], FREEZE_SECONDS)
            if not readable or not answer.read(len(freezer.FROZEN)):
                raise MachineFailure("the file system could not be frozen for its copy")
            yield

    def _order(self, order: str) -> None:
        with contextlib.suppress(OSError):  # it has just ended
            self._started.channel.send(order.encode())

    def _probe(self) -> None:
        """Ask PID 1 again and again, each time when the supervisor is done with the time before."""
        pause = FIRST_PROBE_SECONDS
        bound = BOOT_BOUND_SECONDS
        asked = 0.0
        while not self.ended.wait(pause):
            if self._probed.is_set():
                self._probed.clear()
                asked = time.monotonic()
                self._order("probe")
            if self._probed.wait(BETWEEN_PROBES_SECONDS) and self.health is Health.OK:
                pause, bound = BETWEEN_PROBES_SECONDS, SILENCE_BOUND_SECONDS
            else:  # where an answer takes long, as much time is left for the boot
                pause = max(FIRST_PROBE_SECONDS, time.monotonic() - asked)
            if time.monotonic() - self._last_answer > bound:
                self.health = Health.IMPAIRED

    def _watch_network(self) -> None:
        """End the machine if its network has: without it, it would be running and unreachable."""
        network, stopped = self._started.network, 0
        while stopped < STOPPED_LOOKS:
            with contextlib.suppress(subprocess.TimeoutExpired):
                # It exits with 0 at the machine's end.
                if network.wait(BETWEEN_LOOKS_SECONDS) and not self.ended.is_set():
                    self._end_for("slirp4netns ended, and with it the network")
                return
            stopped = stopped + 1 if is_stopped(network.pid) else 0
        self._end_for("slirp4netns was stopped, and with it the network")
        network.kill()  # it would not see the machine's end

    def _end_for(self, why: str) -> None:
        self._why = why
        self._started.process.kill()

    def _hear(self) -> bool:
        """Take one message of the supervisor's; False: it was the last."""
        message, descriptors = read_message(self._started.channel)
        if message is None:
            return False
        match message["event"]:
            case "mounted":
                try:
                    self._keeper.restrict()
                except MachineFailure as failure:
                    self._end_for(str(failure))
                else:
                    self._order("boot")
            case "running":
                if not self._running.is_set():  # not a boot after a reboot from inside
                    threading.Thread(target=self._probe, name="health", daemon=True).start()
                self._running.set()
            case "root":
                self._roots.put(descriptors[0])
            case "probed":
                self._probed.set()
                if message["alive"]:
                    self._last_answer = time.monotonic()
                    self.health = Health.OK
            case "ended":
                self._why = message["why"]
        return True

    def _listen(self) -> None:
        """Read what the supervisor says until it is gone, then clean up after it."""
        channel = self._started.channel
        try:
            while self._hear():
                pass
        except OSError as error:
            self._why = str(error)
        self._started.process.kill()
        self._started.process.wait()
        channel.close()
        self._started.network.wait()
        self._close()
        self._keeper.end()
        self.ended.set()
        self._roots.put(None)
        started = self._running.is_set()
        if self._why != "shutdown" and not self._expected:
            log.warning("%s: %s", self._directory.name, self._why)
        self._running.set()
        if started and not self._expected:
            clean = self._why == "shutdown"
            self._on_end(Ending.GUEST_SHUT_DOWN if clean else Ending.PROCESS_DIED, self._why)
