"""--help of a script never runs it; what a script does not know ends it before it begins."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = [
    *(file for file in sorted((ROOT / "scripts").iterdir()) if file.is_file()),
    *(file for file in sorted((ROOT / "benchmarks").iterdir()) if file.is_file()),
    ROOT / "scripts" / "lib" / "setup.sh",
    ROOT / ".ci" / "run",
]
NEEDED = ("awk", "dirname", "sed", "sh", "env")


def run(script: Path, tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a script where only what prints its help can be found: all else would fail."""
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    for name in NEEDED:
        link = programs / name
        if not link.exists():
            (found,) = [Path(at, name) for at in ("/usr/bin",) if Path(at, name).exists()]
            link.symlink_to(found)
    return subprocess.run(
        [script, *words],
        env={"PATH": str(programs), "HOME": str(tmp_path / "home")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
@pytest.mark.parametrize("words", [("--help",), ("-h",), ("more", "--help")])
def test_help_prints_how_to_call_it_and_runs_nothing(
    script: Path, words: tuple[str, ...], tmp_path: Path
) -> None:
    done = run(script, tmp_path, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"  {script.relative_to(ROOT)}" in done.stdout
    assert "#" not in done.stdout.splitlines()[0]
    assert [file.name for file in tmp_path.iterdir()] == ["bin"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_an_unknown_flag_is_an_error_and_runs_nothing(script: Path, tmp_path: Path) -> None:
    done = run(script, tmp_path, "--no-such-flag")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--no-such-flag" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["bin"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_it_can_be_run(script: Path) -> None:
    assert os.access(script, os.X_OK)
