"""A home and the process that its record calls the daemon: real, or another in its place."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from amikiln.version import __version__
from amikiln_localcloud import control, daemon, daemon_record
from amikiln_localcloud.control import CloudStatus
from amikiln_localcloud.daemon_record import DaemonRecord
from amikiln_localcloud.home import Home
from localcloud import fake_daemon
from localcloud.fixture import LocalSession


def use(patch: pytest.MonkeyPatch, directory: Path) -> Home:
    """Make a directory the default home, whose daemon has fake machines."""
    tests = str(Path(__file__).parent.parent)
    patch.setattr(control, "DAEMON", (sys.executable, fake_daemon.__file__))
    patch.setattr(control, "prepare", lambda home, report, wanted: fake_daemon.CHOICE)
    patch.setattr(control, "fill_registry", lambda home, address, report: None)
    inherited = [path for path in sys.path if path]
    patch.setenv("PYTHONPATH", os.pathsep.join([tests, *inherited]))
    patch.setenv("AMIKILN_STATE", str(directory / "state"))
    patch.setenv("AMIKILN_CACHE", str(directory / "cache"))
    return Home.default()


@contextmanager
def sleeping_daemon(home: Home) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process that the home's record names as its daemon."""
    home.state.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(["sleep", "600"]) as process:
        record_of(process.pid).write(home.daemon_record)
        yield process
        process.kill()


def record_of(pid: int) -> DaemonRecord:
    return DaemonRecord(
        pid=pid,
        started_ticks=daemon_record.read_start_ticks(pid) or 0,
        port=9,
        registry="127.0.0.1:9",
        version=__version__,
        machines=fake_daemon.CHOICE.kind,
        machines_reason=fake_daemon.CHOICE.reason,
    )


def client(status: CloudStatus, service: str) -> Any:
    assert status.endpoint is not None
    return LocalSession(status.endpoint, "us-east-1").client(service)


def wait_for_end(pid: int) -> None:
    process = daemon_record.open_process(pid)
    if process is not None:
        assert select.select([process], [], [], 30)[0], "the daemon did not end"
        os.close(process)


def run_in_thread(home: Home) -> object:
    """Run the daemon in a thread, which keeps its signal mask to itself; return its exit code."""

    def run() -> object:
        with pytest.raises(SystemExit) as ended:
            daemon.run(home, fake_daemon.parts)
        return ended.value.code

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run).result(60)
