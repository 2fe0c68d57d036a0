"""A machine that scripts/lib/setup.sh finds: fakes of apt, dpkg, df, sudo, Python."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

# What every Debian and Ubuntu has.
BASICS = (
    "awk cat cp cut date dirname du echo env flock grep head mkdir rm sed sh sha256sum sleep sort"
    " tail touch tr wc"
)

PYTHON = """
case "$*" in
*"%d.%d"*) echo 3.11 ;;
*ensurepip*) exit 0 ;;
"-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
*) echo "python $*" >>"$CALLS" ;;
esac
"""

DPKG = """
[ -e "$CALLS.installed" ] || { echo "no packages found" >&2; exit 1; }
shift 3
for name; do echo "ii $name 1:10.0"; done
"""

APT = """
case "$*" in
*indextargets*"Debian Backports"*) exit 0 ;;
*indextargets*) echo http://mirror.example/debian/ ;;
*install*) echo "apt $*" >>"$CALLS"; touch "$CALLS.installed" ;;
*) echo "apt $*" >>"$CALLS" ;;
esac
"""

SUDO = """
echo "sudo $*" >>"$CALLS"
case "$*" in
"env "*) exec "$@" ;;
"tee "*) cat >>"$CALLS" ;;
esac
"""

PLENTY = "echo header; echo /dev/vda 99999999 1 99999999 1% /"


@dataclass
class Machine:
    """A copy of what set-up reads, and a PATH of fakes."""

    root: Path

    @property
    def programs(self) -> Path:
        return self.root / "programs"

    @property
    def calls(self) -> str:
        """What was asked of apt, sudo and pip, a line each."""
        file = self.root / "calls"
        return file.read_text() if file.exists() else ""

    def program(self, name: str, script: str) -> None:
        (self.programs / name).unlink(missing_ok=True)
        (self.programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.programs / name).chmod(0o755)

    def set_up(self, mode: str = "--no-machines") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.root / "repo/scripts/lib/setup.sh", mode],
            env={
                "PATH": str(self.programs),
                "HOME": str(self.root / "home"),
                "AMIKILN_STATE": str(self.root / "state"),
                "AMIKILN_CACHE": str(self.root / "cache"),
                "CALLS": str(self.root / "calls"),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def make_machine(directory: Path) -> Machine:
    """Return a fresh machine with sudo where everything can be had."""
    found = Machine(directory)
    (directory / "repo/scripts/lib").mkdir(parents=True)
    for name in (
        "requirements.lock",
        "pyproject.toml",
        "scripts/lib/setup.sh",
        "scripts/lib/usage.sh",
    ):
        shutil.copy(ROOT / name, directory / "repo" / name)
    found.programs.mkdir()
    for name in BASICS.split():
        (found.programs / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    (found.programs / "dpkg").symlink_to(shutil.which("dpkg") or "/usr/bin/dpkg")
    for name, script in (
        ("apt-get", APT),
        ("df", PLENTY),
        ("dpkg-query", DPKG),
        ("id", "echo 1000"),
        ("python3", PYTHON),
        ("sudo", SUDO),
        ("uname", "echo x86_64"),
    ):
        found.program(name, script)
    return found


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a failed set-up said, which has to be one line."""
    assert done.returncode == 3
    assert done.stdout == ""
    announced = ("set-up: adding", "set-up: installing", "set-up: making")
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith(announced)]
    return line
