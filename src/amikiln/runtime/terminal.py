"""Reports progress on a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class TerminalReporter:
    """Shows a spinner with the elapsed seconds, on a terminal."""

    def __init__(self, console: Console, started: float | None = None) -> None:
        self._console = console
        self._started = time.monotonic() if started is None else started

    def group(self, title: str) -> None:
        self._console.print(f"[bold cyan]==>[/] [bold]{escape(title)}[/]", highlight=False)

    def line(self, text: str) -> None:
        seconds = time.monotonic() - self._started
        for part in text.splitlines() or [""]:
            self._console.print(f"[dim]{seconds:7.1f}[/]  {escape(part)}", highlight=False)

    @contextmanager
    def status(self, text: str) -> Iterator[None]:
        began = time.monotonic()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            progress.add_task(escape(text), total=None)
            yield
        self.line(f"{text}: {time.monotonic() - began:.1f} s")
