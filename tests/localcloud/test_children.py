"""The launcher, seen from the children."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

from amikiln_localcloud.children import Launcher, die_with_parent

STARTER = """
import sys, threading
from pathlib import Path
from amikiln_localcloud.children import Launcher
child = Launcher().start(["sleep", "600"], Path(sys.argv[1]))
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_child_ends_when_the_process_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path / "log")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as starter:
        assert starter.stdout
        child = os.pidfd_open(int(starter.stdout.readline()))
        starter.send_signal(signal.SIGKILL)
        ended, _, _ = select.select([child], [], [], 30)
        os.close(child)
    assert ended


def test_a_child_whose_parent_ended_first_does_not_begin(tmp_path: Path) -> None:
    begun = ["touch", str(tmp_path / "begun")]
    assert subprocess.run(die_with_parent(begun, os.getppid()), check=False).returncode == 1
    assert not (tmp_path / "begun").exists()
    assert subprocess.run(die_with_parent(begun), check=False).returncode == 0
    assert (tmp_path / "begun").exists()


def test_a_child_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    launcher = Launcher()
    children: list[subprocess.Popen[bytes]] = []
    log = tmp_path / "log"
    # `read` returns when its standard input ends, which is at once: cat of a pipe does not.
    reading, writing = os.pipe()
    asking = threading.Thread(
        target=lambda: children.append(
            launcher.start(["cat", f"/proc/self/fd/{reading}"], log, pass_fds=[reading])
        )
    )
    asking.start()
    asking.join()
    os.close(reading)
    os.write(writing, b"still here\n")
    os.close(writing)
    assert children[0].wait(30) == 0
    assert log.read_text() == "still here\n"


def test_output_of_both_kinds_is_appended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    child = Launcher().start(["sh", "-c", "echo out; echo err >&2; exit 3"], log)
    assert child.wait(30) == 3
    assert log.read_text() == "before\nout\nerr\n"


def test_a_log_that_cannot_be_written_is_the_callers_error(tmp_path: Path) -> None:
    launcher = Launcher()
    try:
        launcher.start(["true"], tmp_path / "missing" / "log")
    except FileNotFoundError:
        again = launcher.start(["true"], tmp_path / "log")
        assert again.wait(30) == 0
    else:
        raise AssertionError("the missing directory was not noticed")
