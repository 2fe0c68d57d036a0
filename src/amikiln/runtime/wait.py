"""Waits for conditions, with deadlines, and measures how long.

boto3's own waiters give up on an image after 10 minutes, although large images take hours, and
notice it 7.5 s late on average. Here the pause between two polls grows with the time waited so
far, so that short waits end promptly and long ones do not call the API often.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from amikiln.errors import AmikilnError
from amikiln.runtime.progress import Reporter

Found = TypeVar("Found")

FIRST_PAUSE_SECONDS = 0.1
SHORT_WAIT_SHARE, SHORT_WAIT_PAUSE_SECONDS = 0.15, 0.25
"""At first pauses grow faster, up to this long: what takes a second is noticed a tenth late."""
LONGEST_PAUSE_SECONDS = 15.0
PAUSE_SHARE = 0.03
"""A pause is this share of the time waited so far: a wait ends at most 3 % late."""


class DeadlinePassed(AmikilnError):
    """A condition was not met in time."""


class Waiter:
    """Waits, and adds up how long it waited.

    Args:
        report: Shows what is being waited for.
        clock: Returns seconds since any fixed moment.
        pause: Sleeps for the seconds that it is given.
    """

    def __init__(
        self,
        report: Reporter,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._report = report
        self._clock = clock
        self._pause = pause
        self._spans: list[tuple[float, float]] = []
        self._lock = threading.Lock()
        self._is_passing: Callable[[Exception], bool] = lambda error: False

    def outlast(self, is_passing: Callable[[Exception], bool]) -> None:
        """Let waits go on after failures that say nothing about what is waited for.

        Args:
            is_passing: Tells whether what a probe raised is such a failure.
        """
        self._is_passing = is_passing

    def now(self) -> float:
        """Return seconds since any fixed moment."""
        return self._clock()

    def say(self, text: str) -> None:
        """Report a line about what is being waited for."""
        self._report.line(text)

    def until(
        self, probe: Callable[[], Found | None], *, what: str, deadline_seconds: float
    ) -> Found:
        """Call ``probe`` until it returns something other than None, and return that.

        Args:
            probe: Looks once, and returns None (not False or 0) for "not yet".
            what: The condition in a user's words, with the resource's id.
            deadline_seconds: How long to wait in total.

        Raises:
            DeadlinePassed: It was not met in time. What ``probe`` raises passes through, unless it
                is a failure that waits outlast; the first of those is reported.
        """
        failure: Exception | None = None
        said = False
        with self.span(what):
            began = self._clock()
            while True:
                try:
                    found, failure = probe(), None
                except Exception as error:
                    if not self._is_passing(error):
                        raise
                    found, failure = None, error
                if found is not None:
                    return found
                if failure is not None and not said:
                    said = True
                    self.say(f"cannot see whether this is so yet: {what}: {failure}")
                waited = self._clock() - began
                if waited >= deadline_seconds:
                    why = f"; the last look failed: {failure}" if failure else ""
                    raise DeadlinePassed(
                        f"gave up after {waited:.0f} s: {what}{why}",
                        hint="raise the deadline in the spec's [deadlines] if it only needs longer",
                    ) from failure
                self._pause(min(_choose_pause(waited), deadline_seconds - waited))

    @contextmanager
    def span(self, what: str) -> Iterator[None]:
        """Count the time of the block as time waited: for a guest, a disk, an API's state."""
        began = self._clock()
        try:
            with self._report.status(what):
                yield
        finally:
            with self._lock:
                self._spans.append((began, self._clock()))

    def waited_seconds(self) -> float:
        """Return the seconds waited so far; overlapping waits count once."""
        total, end = 0.0, float("-inf")
        with self._lock:
            for start, stop in sorted(self._spans):
                total += max(0.0, stop - max(start, end))
                end = max(end, stop)
        return total


def _choose_pause(waited_seconds: float) -> float:
    short = min(waited_seconds * SHORT_WAIT_SHARE, SHORT_WAIT_PAUSE_SECONDS)
    pause = max(FIRST_PAUSE_SECONDS, short, waited_seconds * PAUSE_SHARE)
    return min(pause, LONGEST_PAUSE_SECONDS)
