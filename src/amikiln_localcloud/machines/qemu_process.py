"""Watches and stops a QEMU process, and copies its disk while it runs."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amikiln_localcloud.machines.contract import Ending, Health, OnEnd
from amikiln_localcloud.machines.disk_copy import DiskCopy
from amikiln_localcloud.machines.health import HealthWatch
from amikiln_localcloud.machines.qmp import QmpClient, QmpError

PRESS_AGAIN_SECONDS = 5.0
"""A guest that is still starting does not react to the power button yet."""


class QemuProcess:
    """A QEMU process that was just started.

    Args:
        process: The child.
        monitor: The socket for the QEMU Machine Protocol.
        reachability: The address and port for ``HealthWatch``.
        on_end: Called once, from a thread of its own, if QEMU ends without being told to.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        monitor: socket.socket,
        reachability: tuple[str, int],
        on_end: OnEnd,
    ) -> None:
        self._process = process
        self._on_end = on_end
        self._guest_shut_down = False
        self._expected = False
        self._start_is_decided = threading.Event()
        self._copy: DiskCopy | None = None
        self.ended = threading.Event()
        self._health = HealthWatch(reachability, self.ended)
        self._qmp = QmpClient(monitor, self._note)
        threading.Thread(target=self._wait, name="qemu", daemon=True).start()

    @property
    def health(self) -> Health:
        return self._health.health

    def wait_until_running(self) -> None:
        """Wait until QEMU reports that the processors run.

        Raises:
            QmpError: It ended before that.
        """
        try:
            self._qmp.execute("qmp_capabilities")
            if not self._qmp.execute("query-status")["running"]:
                raise QmpError("the processors do not run")
        except QmpError:
            self._expected = True  # the caller gets the error; on_end must not be called as well
            raise
        finally:
            self._start_is_decided.set()

    def shut_down(self, deadline_seconds: float) -> None:
        """Press the power button until the guest is off; cut the power after the deadline."""
        self._expected = True
        deadline = time.monotonic() + deadline_seconds
        while not self.ended.is_set():
            left = deadline - time.monotonic()
            if left <= 0 or self._health.panicked:
                return self.kill()
            with contextlib.suppress(QmpError):
                self._qmp.execute("system_powerdown")
            self.ended.wait(min(PRESS_AGAIN_SECONDS, left))
        return None

    def kill(self) -> None:
        """Cut the power."""
        self._expected = True
        self._process.kill()
        self.ended.wait()

    def copy_writes(self, target: Path) -> None:
        """Copy what was written to the disk until this moment, while the guest goes on.

        Args:
            target: An overlay like the machine's own, over the same snapshot, without data.

        Raises:
            MachineFailure: The copy is not complete.
        """
        self._copy = copy = DiskCopy(target)
        try:
            copy.prepare(self._qmp)
            copy.begin(self._qmp)
            copy.finish(self._qmp)
        except QmpError as error:
            raise copy.failure(str(error)) from error

    def _note(self, event: str, data: Mapping[str, Any]) -> None:
        if event == "SHUTDOWN":
            self._guest_shut_down = data.get("reason") == "guest-shutdown"
        elif event == "GUEST_PANICKED":
            self._health.note_panic()
        elif self._copy:
            self._copy.note(event, data)

    def _wait(self) -> None:
        self._qmp.join()
        exit_code = self._process.wait()
        if self._copy:
            self._copy.give_up()
        self.ended.set()
        self._start_is_decided.wait()
        if not self._expected:
            clean = self._guest_shut_down and exit_code == 0
            if clean:
                self._on_end(Ending.GUEST_SHUT_DOWN, "QEMU ended with the guest")
            else:
                self._on_end(Ending.PROCESS_DIED, f"QEMU exited with {exit_code}")
