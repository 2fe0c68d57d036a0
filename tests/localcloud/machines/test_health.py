"""The health of guests that only pretend."""

from __future__ import annotations

import queue
import socket
import threading

import pytest

from amikiln_localcloud.machines import health
from amikiln_localcloud.machines.contract import Health
from amikiln_localcloud.machines.health import HealthWatch, refuses_connections

NOWHERE = ("127.0.0.1", 0)


class Signs:
    """A guest whose signs of life the test decides one by one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **bounds: float) -> None:
        monkeypatch.setattr(health, "FIRST_PAUSE_SECONDS", 0)
        self._answers: queue.Queue[bool] = queue.Queue()
        self._asked: queue.Queue[None] = queue.Queue()
        self.ended = threading.Event()
        self.watch = HealthWatch(
            NOWHERE, self.ended, probe=self._probe, between_probes_seconds=0, **bounds
        )

    def _probe(self, address: tuple[str, int]) -> bool:
        self._asked.put(None)
        return self._answers.get(timeout=30)

    def give(self, alive: bool) -> None:
        """Answer one probe, and return when the next one is asked for: this one has counted."""
        self._asked.get(timeout=30)
        self._answers.put(alive)
        self._asked.get(timeout=30)
        self._asked.put(None)

    def end(self) -> None:
        self.ended.set()
        self._answers.put(True)


def test_a_guest_is_ok_after_its_first_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    signs = Signs(monkeypatch)
    signs.give(alive=False)
    assert signs.watch.health is Health.INITIALIZING
    signs.give(alive=True)
    assert signs.watch.health is Health.OK
    signs.give(alive=False)
    assert signs.watch.health is Health.OK
    signs.end()


def test_silence_beyond_the_bound_impairs_until_the_next_sign(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signs = Signs(monkeypatch, boot_bound_seconds=0, silence_bound_seconds=0)
    signs.give(alive=False)
    assert signs.watch.health is Health.IMPAIRED
    signs.give(alive=True)
    assert signs.watch.health is Health.OK
    signs.give(alive=False)
    assert signs.watch.health is Health.IMPAIRED
    signs.end()


def test_after_a_panic_nothing_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    signs = Signs(monkeypatch)
    signs.watch.note_panic()
    signs.give(alive=True)
    assert signs.watch.health is Health.IMPAIRED
    signs.end()


def test_a_connection_that_is_closed_at_once_is_a_sign_of_life() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def close_one() -> None:
            server.accept()[0].close()

        closing = threading.Thread(target=close_one)
        closing.start()
        assert refuses_connections(server.getsockname())
        closing.join()


def test_a_connection_that_stays_open_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PROBE_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not refuses_connections(server.getsockname())


def test_a_host_port_on_which_nothing_listens_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    assert not refuses_connections(address)
