"""Asks the package index whether amikiln can be installed where it cannot be run here.

    resolve_platforms.py [PROJECT]

For each platform and Python version, uv resolves what PROJECT (this repository's folder) requires,
in the versions of requirements.lock, to wheels alone: there has to be one of every package for that
platform. The extra ``local`` is for Linux.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PLATFORMS = (
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
)
"""As uv calls them: https://docs.astral.sh/uv/reference/cli/#uv-pip-compile--python-platform"""
PYTHONS = ("3.11", "3.14")
"""The oldest, and the newest that there is."""
SECONDS = 300
HERE = Path(__file__).parents[2]


def write_constraints(lock: Path, file: Path) -> None:
    """Write the lock's versions without its hashes, which uv wants for all packages or none."""
    pins = re.findall(r"^([\w.-]+==[^\s;]+(?: ; [^\\\n]+)?) *\\?$", lock.read_text(), re.M)
    file.write_text("\n".join(pins) + "\n")


def find_uv() -> str:
    """Return uv: the one beside this Python, else that on PATH."""
    places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return shutil.which("uv", path=places) or "uv"


def resolve(project: Path, constraints: Path, platform: str, python: str, extra: str) -> str | None:
    """Return why what a project requires cannot be had for a platform; None if it can."""
    command = [find_uv(), "pip", "compile", "--quiet", "--no-header", "--only-binary", ":all:"]
    command += ["--python-platform", platform, "--python-version", python]
    command += ["--constraints", str(constraints)]
    command += ["--extra", extra] if extra else []
    done = subprocess.run(
        [*command, str(project / "pyproject.toml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    return None if done.returncode == 0 else done.stderr.strip() or f"uv: {done.returncode}"


def main(words: list[str]) -> int:
    if {"-h", "--help"} & set(words):
        print(__doc__)
        return 0
    if len(words) > 1 or any(word.startswith("-") for word in words):
        print(__doc__, file=sys.stderr)
        return 2
    project = Path(words[0]) if words else HERE
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder, "constraints.txt")
        write_constraints(HERE / "requirements.lock", constraints)
        for platform in PLATFORMS:
            for extra in ("", "local") if "linux" in platform else ("",):
                name = f"amikiln[{extra}]" if extra else "amikiln"
                faults = {
                    python: fault
                    for python in PYTHONS
                    if (fault := resolve(project, constraints, platform, python, extra))
                }
                for python, fault in faults.items():
                    print(f"{name}, {platform}, Python {python}: {fault}", file=sys.stderr)
                failed += len(faults)
                if not faults:
                    print(f"{name}: wheels for {platform}, Python {', '.join(PYTHONS)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
