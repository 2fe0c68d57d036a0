"""Inside a machine's namespaces: programs that are run to their end."""

from __future__ import annotations

import subprocess


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
