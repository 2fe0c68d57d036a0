"""The waiter: promptness, deadlines, and the total time waited."""

from __future__ import annotations

import pytest

from amikiln.runtime.wait import LONGEST_PAUSE_SECONDS, PAUSE_SHARE, DeadlinePassed, Waiter
from fakes import Clock, Recorder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def waiter(clock: Clock) -> Waiter:
    return Waiter(Recorder(), clock.read, clock.pause)


def test_what_is_there_already_is_returned_without_a_pause(waiter: Waiter, clock: Clock) -> None:
    assert waiter.until(lambda: "x", what="x", deadline_seconds=5) == "x"
    assert clock.pauses == []


@pytest.mark.parametrize("falsy", [0, False, ""])
def test_only_none_means_not_yet(waiter: Waiter, falsy: object) -> None:
    assert waiter.until(lambda: falsy, what="x", deadline_seconds=5) == falsy


@pytest.mark.parametrize("ready_at", [1, 30, 600, 7200])
def test_a_wait_ends_at_most_a_small_share_late(
    waiter: Waiter, clock: Clock, ready_at: float
) -> None:
    waiter.until(lambda: True if clock.now >= ready_at else None, what="x", deadline_seconds=86400)
    assert ready_at <= clock.now <= ready_at * (1 + PAUSE_SHARE) + 0.25


def test_a_short_wait_is_noticed_soon_and_asks_little(waiter: Waiter, clock: Clock) -> None:
    waiter.until(lambda: True if clock.now >= 0.5 else None, what="x", deadline_seconds=60)
    assert clock.now <= 0.61
    assert len(clock.pauses) == 5


def test_long_waits_do_not_call_often(waiter: Waiter, clock: Clock) -> None:
    waiter.until(lambda: True if clock.now >= 7200 else None, what="x", deadline_seconds=86400)
    assert max(clock.pauses) == LONGEST_PAUSE_SECONDS
    assert len(clock.pauses) < 7200 / LONGEST_PAUSE_SECONDS * 1.5


def test_a_wait_ends_at_its_deadline_and_names_what_was_waited_for(
    waiter: Waiter, clock: Clock
) -> None:
    with pytest.raises(DeadlinePassed, match="image ami-1 to be written"):
        waiter.until(lambda: None, what="image ami-1 to be written", deadline_seconds=100)
    assert clock.now == pytest.approx(100)


def test_a_last_look_is_taken_at_the_deadline(waiter: Waiter, clock: Clock) -> None:
    assert waiter.until(lambda: True if clock.now >= 100 else None, what="x", deadline_seconds=100)


def test_overlapping_waits_count_once(waiter: Waiter, clock: Clock) -> None:
    with waiter.span("outer"):
        clock.now += 10
        with waiter.span("inner"):
            clock.now += 5
    clock.now += 100
    with waiter.span("later"):
        clock.now += 2
    assert waiter.waited_seconds() == 17


def test_a_failing_probe_ends_the_wait_and_is_counted(waiter: Waiter, clock: Clock) -> None:
    def probe() -> None:
        if clock.now > 3:
            raise ValueError("gone")

    with pytest.raises(ValueError, match="gone"):
        waiter.until(probe, what="x", deadline_seconds=60)
    assert waiter.waited_seconds() == clock.now


class Busy(Exception):
    """A failure that says nothing about what is waited for."""


def test_a_wait_outlasts_looks_that_fail_and_reports_once(clock: Clock) -> None:
    report = Recorder()
    waiter = Waiter(report, clock.read, clock.pause)
    waiter.outlast(lambda error: isinstance(error, Busy))

    def probe() -> str | None:
        if clock.now < 1000:
            raise Busy("throttled")
        return "there"

    assert waiter.until(probe, what="x", deadline_seconds=2000) == "there"
    assert report.said.count("cannot see whether this is so yet: x: throttled") == 1


def test_looks_that_fail_until_the_deadline_are_named(clock: Clock) -> None:
    waiter = Waiter(Recorder(), clock.read, clock.pause)
    waiter.outlast(lambda error: isinstance(error, Busy))

    def probe() -> None:
        raise Busy("throttled")

    with pytest.raises(DeadlinePassed, match=r"gave up .* x; the last look failed: throttled"):
        waiter.until(probe, what="x", deadline_seconds=50)
