"""How a supervisor gets into its namespaces, and what is quoted when it does not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from amikiln_localcloud.machines.container import namespaces


def run_inside(tmp_path: Path, kind: str, mount: str) -> subprocess.CompletedProcess[str]:
    """Run what is run between unshare and the supervisor, with programs of the test's own."""
    for name, text in (
        ("stat", f"echo {kind}"),
        ("mount", mount),
        ("unshare", 'while [ "$1" != sh ]; do shift; done; exec "$@"'),
    ):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    argv = namespaces._command([], 0)
    argv[argv.index("-I") :] = ["-c", "print('the supervisor')"]
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(argv, env={"PATH": path}, capture_output=True, text=True)


def test_cgroup_2_is_mounted_where_the_host_has_both_versions(tmp_path: Path) -> None:
    done = run_inside(tmp_path, "tmpfs", 'echo "$@"')
    assert done.stdout.splitlines() == ["-t cgroup2 cgroup2 /sys/fs/cgroup", "the supervisor"]


def test_cgroup_2_is_not_mounted_twice(tmp_path: Path) -> None:
    """The kernel refuses that: where the host has cgroup 2 alone, no machine would start."""
    done = run_inside(tmp_path, "cgroup2fs", "echo busy >&2; exit 32")
    assert (done.returncode, done.stdout, done.stderr) == (0, "the supervisor\n", "")


def test_nothing_starts_without_cgroup_2(tmp_path: Path) -> None:
    done = run_inside(tmp_path, "tmpfs", "echo refused >&2; exit 32")
    assert (done.returncode, done.stdout, done.stderr) == (32, "", "refused\n")


@pytest.mark.parametrize(
    ("log", "quoted"),
    [
        ("", ""),
        ("one\ntwo\n", "two"),
        ("one\n\n  \n", "one"),
        (
            "mount: /sys/fs/cgroup: already mounted.\n"
            "       dmesg(1) may have more information after failed mount system call.\n",
            "mount: /sys/fs/cgroup: already mounted.",
        ),
    ],
)
def test_the_line_that_is_quoted_says_what_failed(tmp_path: Path, log: str, quoted: str) -> None:
    (tmp_path / "log").write_text(log)
    assert namespaces._last_line(tmp_path / "log") == quoted
    assert namespaces._last_line(tmp_path / "missing") == ""
