"""scripts/test: which tests it runs, and on which machines."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTE = """#!/bin/sh
echo "${0##*/} $*, machines ${AMIKILN_MACHINES:-any} ${AMIKILN_TEST_MACHINES:-any}" >>"$CALLS"
"""


def run(place: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run the script with fakes of what it calls; return it and the calls."""
    for name in ("scripts/lib/setup.sh", "scripts/test-terraform", ".venv/bin/python"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(NOTE)
        (place / name).chmod(0o755)
    shutil.copy(ROOT / "scripts/test", place / "scripts/test")
    shutil.copy(ROOT / "scripts/lib/usage.sh", place / "scripts/lib/usage.sh")
    calls = place / "calls"
    calls.touch()
    kept = {name: word for name, word in os.environ.items() if not name.startswith("AMIKILN_")}
    done = subprocess.run(
        [place / "scripts/test", *words],
        env={**kept, "CALLS": str(calls)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done, calls.read_text().splitlines()


@pytest.mark.parametrize("kind", ["kvm", "container", "emulated"])
def test_the_machine_tests_run_on_the_kind_that_is_asked_for(kind: str, tmp_path: Path) -> None:
    done, calls = run(tmp_path, "--machines", kind, "-k", "cycle")
    assert done.returncode == 0, done.stderr
    assert calls == [
        f"setup.sh --with-packer, machines {kind} {kind}",
        f"python -m pytest -m vm -k cycle, machines {kind} {kind}",
    ]


@pytest.mark.parametrize("words", [("--machines",), ("--machines", "docker")])
def test_an_unknown_kind_runs_nothing_and_names_the_three(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    done, calls = run(tmp_path, *words)
    assert (done.returncode, calls) == (2, [])
    assert "kvm, container or emulated" in done.stderr


def test_everything_runs_on_whatever_works_here(tmp_path: Path) -> None:
    done, calls = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert [call.split()[0] for call in calls] == ["setup.sh", "python", "test-terraform", "python"]
    assert all(call.endswith("machines any any") for call in calls)


def test_fast_boots_nothing(tmp_path: Path) -> None:
    done, calls = run(tmp_path, "--fast")
    assert done.returncode == 0, done.stderr
    (setup, tests) = calls
    assert setup.startswith("setup.sh --no-machines")
    assert "-m not vm and not terraform" in tests
