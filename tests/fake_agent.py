"""A fake buildkite-agent: the commands that need Buildkite's server use a folder instead.

    FAKE_BUILDKITE=FOLDER fake_agent.py annotate | artifact | meta-data ...

Every call is recorded in FOLDER/calls.jsonl. Unknown calls are refused with exit code 64.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from pathlib import Path

REFUSED = 64
NOT_THERE = 100
"""As the real one answers ``meta-data exists``."""
STYLES = {"success", "info", "warning", "error"}


def main(words: list[str]) -> int:
    """Carry out one call and return the exit code."""
    folder = Path(os.environ["FAKE_BUILDKITE"])
    artifacts, values = folder / "artifacts", folder / "meta-data"
    for place in (artifacts, values):
        place.mkdir(parents=True, exist_ok=True)
    body = ""
    match words:
        case ["annotate", "--style", style, "--context", _] if style in STYLES:
            body = sys.stdin.read()
        case ["artifact", "upload", name] if Path(name).is_file() and not Path(name).is_absolute():
            (artifacts / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, artifacts / name)
        case ["artifact", "download", name, "."] if (artifacts / name).is_file():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(artifacts / name, name)
        case ["artifact", "download", "--build", build, name, "."] if (
            folder / "builds" / build / name
        ).is_file():
            shutil.copy(folder / "builds" / build / name, name)
        case ["meta-data", "set", key, value] if value:
            (values / key).write_text(value)
        case ["meta-data", "set", key]:
            (values / key).write_text(body := sys.stdin.read())
        case ["meta-data", "exists", key]:
            _note(folder, words, body)
            return 0 if (values / key).is_file() else NOT_THERE
        case ["meta-data", "get", key] if (values / key).is_file():
            print((values / key).read_text())
        case _:
            _note(folder, words, "refused")
            print(f"fake agent: not known, or not there: {words}", file=sys.stderr)
            return REFUSED
    _note(folder, words, body)
    return 0


def install(folder: Path) -> None:
    """Make this a program in a folder, as ``buildkite-agent``."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "buildkite-agent"
    words = shlex.join([sys.executable, __file__])
    program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    program.chmod(0o755)


def _note(folder: Path, words: list[str], body: str) -> None:
    with (folder / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps({"words": words, "body": body}) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
