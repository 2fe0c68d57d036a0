"""Checks from outside whether a guest is alive, as EC2's instance status check does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

from amikiln_localcloud.machines.contract import Health

PROBE_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.5
BETWEEN_PROBES_SECONDS = 10.0
BOOT_BOUND_SECONDS = 600.0
SILENCE_BOUND_SECONDS = 60.0


class HealthWatch:
    """Probes the guest's network until the machine ends.

    A port of the host is forwarded to a port of the guest on which nothing listens. A running
    kernel refuses the connection at once; one that does not run, or not yet, leaves it open. This
    costs the guest nothing. sshd, in contrast, starts a process for each connection, and in the
    end locks out an address that connects often without logging in (sshd_config(5),
    PerSourcePenalties).

    Args:
        address: The host's address and port.
        ended: Set when the machine does not run any more.
        probe: Returns whether the guest answered; may take a few seconds.
        boot_bound_seconds: A guest is impaired if it did not answer for this long since its start.
        silence_bound_seconds: And if it did not answer for this long after it last did.
        between_probes_seconds: The pause between two probes once the guest has answered.
    """

    def __init__(
        self,
        address: tuple[str, int],
        ended: threading.Event,
        *,
        probe: Callable[[tuple[str, int]], bool] | None = None,
        boot_bound_seconds: float = BOOT_BOUND_SECONDS,
        silence_bound_seconds: float = SILENCE_BOUND_SECONDS,
        between_probes_seconds: float = BETWEEN_PROBES_SECONDS,
    ) -> None:
        self._address = address
        self._ended = ended
        self._probe = probe or refuses_connections
        self._bound = boot_bound_seconds
        self._silence_bound = silence_bound_seconds
        self._between = between_probes_seconds
        self.panicked = False
        self._health = Health.INITIALIZING
        threading.Thread(target=self._watch, name="health", daemon=True).start()

    @property
    def health(self) -> Health:
        return Health.IMPAIRED if self.panicked else self._health

    def note_panic(self) -> None:
        """Record that the guest's kernel panicked, from which it does not recover."""
        self.panicked = True

    def _watch(self) -> None:
        last_sign = time.monotonic()
        pause = FIRST_PAUSE_SECONDS
        while not self._ended.wait(pause):
            if self._probe(self._address):
                last_sign = time.monotonic()
                self._health = Health.OK
                self._bound, pause = self._silence_bound, self._between
            elif time.monotonic() - last_sign > self._bound:
                self._health = Health.IMPAIRED


def refuses_connections(address: tuple[str, int]) -> bool:
    """Return whether the guest's kernel refused a connection, which it does only if it runs."""
    try:
        with socket.create_connection(address, timeout=PROBE_SECONDS) as connection:
            return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
    except OSError:
        return False
