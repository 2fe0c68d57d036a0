"""Programs of a machine's that are run to their end, and whether others go on."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

BETWEEN_LOOKS_SECONDS = 1.0
STOPPED_LOOKS = 3
"""How many in a row have to find a process stopped: it may be for a moment."""


class Refused(Exception):
    """Something that a boot needs is not to be had; the text says what."""


def run(*argv: str, ok: tuple[int, ...] = (0,), input: str = "") -> str:
    """Run a program to its end, and return what it wrote.

    Args:
        argv: The program and its arguments.
        ok: Exit codes that are no failure.
        input: What it reads from stdin.

    Raises:
        Refused: It exited with another code; in its own words.
    """
    done = subprocess.run(argv, capture_output=True, text=True, input=input, check=False)
    if done.returncode not in ok:
        said = " ".join((done.stderr or done.stdout).split())
        raise Refused(f"{argv[0]} exited with {done.returncode}: {said}")
    return done.stdout


def is_stopped(pid: int) -> bool:
    """Tell whether a signal or a debugger has stopped a process: proc_pid_stat(5)."""
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state in {"T", "t"}
    return False
