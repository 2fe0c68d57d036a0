"""Removes what was created, in reverse order, however the work ends."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from types import TracebackType

from amikiln.errors import Interrupted
from amikiln.runtime.progress import Reporter


class Undo:
    """An ``ExitStack`` of clean-up actions that retries them and survives Ctrl-C.

    An action that fails twice is reported and stops no other. The first interruption waits until
    everything is removed; a second one ends the clean-up and names what is left.

    Args:
        report: Reports what could not be removed.
    """

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self._stack = ExitStack()
        self._cancelled: set[str] = set()
        self._gave_up = False

    def add(self, what: str, action: Callable[[], object]) -> None:
        """Register the clean-up of a resource, right before or right after it is created.

        Args:
            what: Names the resource with its id, as "instance i-0abc".
            action: Removes it. It must accept that the resource is gone already, or was never
                created; if it fails, it is called a second time.
        """
        self._stack.push(partial(self._undo, what, action))

    def cancel(self, what: str) -> None:
        """Leave the resource registered under this name where it is."""
        self._cancelled.add(what)

    def cancel_all(self) -> None:
        """Leave everything registered so far where it is."""
        self._stack.pop_all()

    def __enter__(self) -> Undo:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _undo(
        self,
        what: str,
        action: Callable[[], object],
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Call an action; ``error`` ended the block or was raised by an action before this one."""
        if what in self._cancelled:
            return
        interrupt = error if isinstance(error, Interrupted) else None
        while not self._gave_up:
            try:
                self._try_twice(what, action)
            except Interrupted as another:
                self._gave_up = interrupt is not None
                interrupt = interrupt or another
                continue
            if interrupt is not None and interrupt is not error:
                raise interrupt
            return
        raise Interrupted(*(interrupt.left_behind if interrupt else ()), what)

    def _try_twice(self, what: str, action: Callable[[], object]) -> None:
        for last_try in (False, True):
            try:
                action()
            except Exception as failure:
                if last_try:
                    self._report.line(f"left behind: {what}: {failure}; the next run removes it")
            else:
                return
