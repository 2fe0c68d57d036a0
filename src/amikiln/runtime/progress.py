"""Reports progress on stderr: live on a terminal, as plain lines elsewhere.

stdout is for data alone: results, tables, JSON. In CI each stage starts with a line
``--- title``, under which Buildkite folds what follows
(https://buildkite.com/docs/pipelines/configure/managing-log-output).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Reporter(Protocol):
    """What a stage can report."""

    def group(self, title: str) -> None:
        """Start a new part of the work, which lasts until the next one starts."""

    def line(self, text: str) -> None:
        """Print text that stays on the screen."""

    def status(self, text: str) -> AbstractContextManager[None]:
        """Show what is being done or waited for while the block runs."""


class PlainReporter:
    """Writes plain lines with the seconds since the start, for CI and log files."""

    def __init__(self, started: float | None = None) -> None:
        self._started = time.monotonic() if started is None else started

    def group(self, title: str) -> None:
        sys.stderr.write(f"--- {title}\n")
        sys.stderr.flush()

    def line(self, text: str) -> None:
        seconds = time.monotonic() - self._started
        for part in text.splitlines() or [""]:
            sys.stderr.write(f"{seconds:7.1f}  {part}\n")
        sys.stderr.flush()

    @contextmanager
    def status(self, text: str) -> Iterator[None]:
        began = time.monotonic()
        self.line(f"{text} ...")
        yield
        self.line(f"{text}: {time.monotonic() - began:.1f} s")


def reporter_for_stderr(started: float | None = None) -> Reporter:
    """Return the reporter that suits stderr: for a terminal, or for anything else.

    CI agents give their jobs a terminal that nobody looks at, so it is ignored if ``CI`` is set
    (https://buildkite.com/docs/pipelines/configure/environment-variables).

    Args:
        started: The ``time.monotonic()`` that lines are timed from; now by default.
    """
    # Imported here: the local cloud's daemon, and help, do without rich.
    from rich.console import Console

    from amikiln.runtime.terminal import TerminalReporter

    console = Console(stderr=True)
    if console.is_terminal and not os.environ.get("CI"):
        return TerminalReporter(console, started)
    return PlainReporter(started)
