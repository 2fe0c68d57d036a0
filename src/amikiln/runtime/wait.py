"""The one way to wait: for a condition, with a deadline, and with the time accounted for.

boto3's stock waiters give up on an image after 10 minutes and notice it 7.5 s late on
average; large images take hours. Here the pause between two looks grows with the time
already waited, so that short waits end promptly and long ones do not call the API often.
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

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 15.0
PAUSE_SHARE = 0.03
"""A pause is this share of what was waited so far: a wait ends at most 3 % late."""


class DeadlinePassed(AmikilnError):
    """What was waited for did not come true in time."""


class Waiter:
    """Waits, and adds up how long it waited.

    Args:
        report: Told what is being waited for.
        clock: Returns seconds; only differences count.
        pause: Called with the seconds between two looks.
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

    def until(
        self, probe: Callable[[], Found | None], *, what: str, deadline_seconds: float
    ) -> Found:
        """Call ``probe`` until it returns something else than None, and return that.

        Args:
            probe: Looks once; None (not False or 0) means "not yet".
            what: What is waited for, as a user would say it, with the resource's id.
            deadline_seconds: How long to wait in all.

        Raises:
            DeadlinePassed: Nothing came in time. What ``probe`` raises passes through.
        """
        with self.span(what):
            began = self._clock()
            while (found := probe()) is None:
                waited = self._clock() - began
                if waited >= deadline_seconds:
                    raise DeadlinePassed(
                        f"gave up after {waited:.0f} s: {what}",
                        hint="raise the deadline in the spec's [deadlines] if it only needs longer",
                    )
                pause = min(max(FIRST_PAUSE_SECONDS, waited * PAUSE_SHARE), LONGEST_PAUSE_SECONDS)
                self._pause(min(pause, deadline_seconds - waited))
        return found

    @contextmanager
    def span(self, what: str) -> Iterator[None]:
        """Count the time of the block as waiting (for a guest, a disk, an API's state)."""
        began = self._clock()
        try:
            with self._report.status(what):
                yield
        finally:
            with self._lock:
                self._spans.append((began, self._clock()))

    def waited_seconds(self) -> float:
        """Return the union of all spans in seconds: overlapping waits count once."""
        total, end = 0.0, float("-inf")
        with self._lock:
            for start, stop in sorted(self._spans):
                total += max(0.0, stop - max(start, end))
                end = max(end, stop)
        return total
