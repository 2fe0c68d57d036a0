"""Prints the path of a Go program pinned below scripts/lib/go, and compiles it if necessary.

    go_program.py NAME [--only-if-built]

scripts/lib/go/NAME holds go.mod, go.sum and tools.go; the first package that tools.go imports is
compiled. With --only-if-built nothing is compiled: if the program does not exist yet, the exit code
is 1, without a message.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from amikiln.errors import AmikilnError
from amikiln.runtime.directories import cache_directory
from amikiln.runtime.progress import PlainReporter
from amikiln_localcloud.registry import go_programs

FOLDERS = Path(__file__).parent / "go"


def main(arguments: list[str]) -> int:
    """Print the program's path and return the exit code."""
    known = sorted(folder.name for folder in FOLDERS.iterdir())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=known)
    parser.add_argument("--only-if-built", action="store_true")
    options = parser.parse_args(arguments)
    program = go_programs.read_pinned(FOLDERS / options.name)
    cache = cache_directory()
    if options.only_if_built and not program.directory_in(cache).is_dir():
        return 1
    try:
        print(go_programs.compile_programs(program, cache, PlainReporter()) / program.name)
    except AmikilnError as error:
        print(f"error: {error.what}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
