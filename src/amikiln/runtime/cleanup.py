"""What was made is taken back in reverse order, whatever ends the work."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from amikiln.errors import Interrupted
from amikiln.runtime.progress import Reporter


class Undo:
    """A stack of things to take back when the block ends, by success, error or Ctrl-C.

    Args:
        report: Told what could not be taken back.
    """

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self._entries: list[tuple[str, Callable[[], object]]] = []

    def add(self, what: str, action: Callable[[], object]) -> None:
        """Register something right before or right after it is made.

        Args:
            what: Names the resource with its id, as "instance i-0abc".
            action: Removes it; has to accept that it is gone already, or never came to be. It is
                tried twice.
        """
        self._entries.append((what, action))

    def keep(self, what: str) -> None:
        """Do not take back what was registered under this name: it is what was wanted."""
        self._entries = [entry for entry in self._entries if entry[0] != what]

    def keep_all(self) -> None:
        """Take nothing back: somebody wants to look at it."""
        self._entries.clear()

    def __enter__(self) -> Undo:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        interrupt = error if isinstance(error, Interrupted) else None
        while self._entries:
            what, action = self._entries[-1]
            try:
                self._take_back(what, action)
            except Interrupted as another:
                if interrupt is not None:
                    # The second Ctrl-C: the user wants out, and has to know what stays.
                    left = [left for left, _ in reversed(self._entries)]
                    self._entries.clear()
                    raise Interrupted(*interrupt.left_behind, *left) from another
                interrupt = another
                continue
            self._entries.pop()
        if interrupt is not None and interrupt is not error:
            raise interrupt

    def _take_back(self, what: str, action: Callable[[], object]) -> None:
        for last_try in (False, True):
            try:
                action()
            except Exception as failure:
                if last_try:
                    self._report.line(f"left behind: {what}: {failure}; the next run removes it")
            else:
                return
