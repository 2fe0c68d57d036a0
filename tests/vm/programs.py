"""Real programs that tests run, compiled from their Go modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def compile_program(name: str) -> Path:
    """Compile a program that is pinned below scripts/lib/go, once, and return where it is."""
    command = [sys.executable, ROOT / "scripts/lib/go_program.py", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Path(done.stdout.strip())
