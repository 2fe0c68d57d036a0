"""Ends what a killed daemon left running, and nothing else."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

END_SECONDS = 10.0


def end_recorded_processes(pid_file: Path, directory: Path) -> None:
    """Kill the process named in a file, if it is still the one that was started.

    Process ids are used again: the command line has to name the machine's directory.

    Args:
        pid_file: Holds a process id, as QEMU's -pidfile writes it.
        directory: The directory that was in the arguments of the process.
    """
    try:
        pid = int(pid_file.read_text())
        handle = os.pidfd_open(pid)
    except (OSError, ValueError):
        return
    try:
        # Looked at after the handle is open: it cannot be another process by now.
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
        if f"{directory}/".encode() in arguments:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], END_SECONDS)
    except OSError:
        pass  # it ended by itself
    finally:
        os.close(handle)
