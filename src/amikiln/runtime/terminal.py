"""Reports progress on a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class TerminalReporter:
    """Shows a spinner with the elapsed seconds for all that goes on, on a terminal.

    What is reported from several threads shares one display: a terminal has room for one.
    """

    def __init__(self, console: Console, started: float | None = None) -> None:
        self._console = console
        self._started = time.monotonic() if started is None else started
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._display = Progress(*columns, console=console, transient=True)
        self._lock = threading.Lock()

    def group(self, title: str) -> None:
        self._console.print(f"[bold cyan]==>[/] [bold]{escape(title)}[/]", highlight=False)

    def line(self, text: str) -> None:
        seconds = time.monotonic() - self._started
        for part in text.splitlines() or [""]:
            # Not wrapped: a command that is copied from it has to stay one line.
            told = f"[dim]{seconds:7.1f}[/]  {escape(part)}"
            self._console.print(told, highlight=False, soft_wrap=True)

    @contextmanager
    def status(self, text: str) -> Iterator[None]:
        began = time.monotonic()
        with self._lock:
            task = self._display.add_task(escape(text), total=None)
            self._display.start()
        try:
            yield
        finally:
            with self._lock:
                self._display.remove_task(task)
                if not self._display.tasks:
                    self._display.stop()
        self.line(f"{text}: {time.monotonic() - began:.1f} s")
