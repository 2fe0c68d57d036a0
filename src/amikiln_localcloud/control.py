"""Starts, stops and resets the local cloud, and reports whether it is up."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from filelock import FileLock

from amikiln.errors import LocalCloudError
from amikiln.runtime.progress import Reporter
from amikiln.version import __version__
from amikiln_localcloud import daemon_record
from amikiln_localcloud.children import find_system_programs
from amikiln_localcloud.daemon_record import CloudStatus, DaemonRecord, describe
from amikiln_localcloud.extra import check_installed
from amikiln_localcloud.home import MACHINES_VARIABLE, Home

if TYPE_CHECKING:
    from amikiln_localcloud.machines.kinds import Choice, Kind

DAEMON = (sys.executable, "-m", "amikiln_localcloud.daemon")
START_SECONDS = 180
STOP_SECONDS = 60
LOG_TAIL_LINES = 15
LONGEST_LOG_BYTES = 20 * 2**20
_LOCK = "client.lock"


def up(
    home: Home, report: Reporter, machines: str | None = None, late: float | None = None
) -> CloudStatus:
    """Start the cloud if it is not up; return when it answers.

    Args:
        home: The cloud's files.
        report: Reports what takes long.
        machines: The kind of machines: kvm, container or emulated; else ``AMIKILN_MACHINES``
            in the environment, else the fastest that works here.
        late: How many seconds late the API shows new things, as AWS does; None: at once, or as the
            cloud that is up already does.

    Raises:
        SpecError: There is no such kind.
        PreflightError: That kind does not work here.
        LocalCloudError: It does not start, or one of another version of amikiln is up.
        AmikilnError: The base image or the registry's content cannot be made, or the packages that
            the cloud needs are not installed.
    """
    check_installed()
    find_system_programs()
    wanted: Kind | None = None
    # The machinery takes long to import, and is not needed for a cloud that is up.
    if asked := machines or os.environ.get(MACHINES_VARIABLE):
        from amikiln_localcloud.machines import kinds

        wanted = kinds.parse_kind(asked)
    home.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _lock(home):
        record = _take_live(home, report)
        if record is None:
            choice = prepare(home, report, wanted)
            with report.status("starting the local cloud"):
                record = _start(home, choice, late or 0)
            report.line(f"the local cloud is up at {record.endpoint}")
        _check_version(record)
        if wanted is not None and record.machines != wanted:
            raise LocalCloudError(
                f"the local cloud that is up has {record.machines} machines, not {wanted}",
                hint="amikiln cloud down, then amikiln cloud up",
            )
        if late is not None and record.late != late:
            raise LocalCloudError(
                f"the local cloud that is up shows new things {record.late:g} s late, not {late:g}",
                hint="amikiln cloud down, then amikiln cloud up",
            )
    fill_registry(home, record.registry, report)
    return describe(record)


def down(home: Home, report: Reporter) -> None:
    """End the cloud and its machines, if it is up; images and parameters stay.

    Raises:
        LocalCloudError: It does not end.
    """
    if not home.state.is_dir():
        return
    with _lock(home):
        record = _take_live(home, report)
        if record is None:
            report.line("the local cloud is not up")
            return
        with report.status("ending the local cloud"):
            _end(record, home)
        report.line("the local cloud is down")


def status(home: Home) -> CloudStatus:
    """Return whether the cloud is up, and where."""
    record = _read_live(home)
    return describe(record) if record else CloudStatus(running=False)


def find_running(home: Home) -> DaemonRecord:
    """Return the record of the daemon that runs.

    Raises:
        LocalCloudError: The cloud is not up.
    """
    record = _read_live(home)
    if record is None:
        raise LocalCloudError("the local cloud is not up", hint="amikiln cloud up")
    return record


def reset(home: Home, report: Reporter) -> None:
    """End the cloud and remove everything it stores; what can be made again stays in the cache.

    Raises:
        LocalCloudError: It does not end, or its files cannot be removed.
    """
    down(home, report)
    if not home.state.is_dir():
        return
    with _lock(home):
        try:
            for entry in home.state.iterdir():
                if entry.name == _LOCK:
                    continue
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
        except OSError as error:
            raise LocalCloudError(
                f"cannot remove {error.filename}: {error.strerror}", hint=f"look at {home.state}"
            ) from error
    report.line(f"removed images, parameters and the registry's content from {home.state}")


def prepare(home: Home, report: Reporter, wanted: Kind | None) -> Choice:
    """Do what takes long and the daemon needs: make the base image, try the kinds of machines.

    Raises:
        PreflightError: The kind that is wanted does not work here.
        AmikilnError: The base image cannot be made.
    """
    from amikiln_localcloud.machines.kinds import choose_kind
    from amikiln_localcloud.materials import make_materials

    choice = choose_kind(wanted, home.cache, make_materials(home, report), report)
    report.line(str(choice))
    return choice


def fill_registry(home: Home, address: str, report: Reporter) -> None:
    """Push the images that the registry does not have yet.

    Raises:
        AmikilnError: An image cannot be made or pushed.
    """
    from amikiln_localcloud.registry import content

    content.fill(address, home.cache, report)


def _lock(home: Home) -> FileLock:
    """Return the lock with which ``up``, ``down`` and ``reset`` wait for each other."""
    return FileLock(home.state / _LOCK)


def _read_live(home: Home) -> DaemonRecord | None:
    record = daemon_record.read(home.daemon_record)
    return record if record is not None and record.is_alive else None


def _take_live(home: Home, report: Reporter) -> DaemonRecord | None:
    """Return the running daemon's record; remove one that a dead daemon left."""
    if record := _read_live(home):
        return record
    if home.daemon_record.exists():
        report.line("the local cloud's daemon has ended without saying so; starting from its files")
        home.daemon_record.unlink(missing_ok=True)
    return None


def _check_version(record: DaemonRecord) -> None:
    if record.version != __version__:
        raise LocalCloudError(
            f"the local cloud that is up is amikiln {record.version}'s, this is {__version__}",
            hint="amikiln cloud down, then amikiln cloud up",
        )


def _start(home: Home, choice: Choice, late: float) -> DaemonRecord:
    if home.daemon_log.exists() and home.daemon_log.stat().st_size > LONGEST_LOG_BYTES:
        home.daemon_log.replace(home.daemon_log.with_suffix(".log.1"))
    reading, writing = os.pipe()
    with home.daemon_log.open("ab") as output, os.fdopen(reading, "rb") as ready:
        before = output.tell()
        try:
            child = subprocess.Popen(
                [
                    *DAEMON,
                    f"--state={home.state}",
                    f"--cache={home.cache}",
                    f"--machines={choice.kind}",
                    f"--reason={choice.reason}",
                    f"--late={late}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C must end the user's command, not the cloud.
                start_new_session=True,
                pass_fds=(writing,),
                env={
                    **os.environ,
                    daemon_record.READY_DESCRIPTOR: str(writing),
                    # One heap for all threads: glibc would hold free memory in each of eight.
                    "MALLOC_ARENA_MAX": "1",
                },
            )
        finally:
            os.close(writing)
        # Ends when the daemon says that it is ready, and when it dies.
        readable, _, _ = select.select([ready], [], [], START_SECONDS)
        said = ready.readline() if readable else b""
    record = daemon_record.read(home.daemon_record)
    if said and record is not None:
        # The daemon outlives this process: keep Popen from warning that it was not waited for.
        child.returncode = 0
        return record
    why = "ended at once" if readable else f"was not ready in {START_SECONDS} s"
    if child.poll() is None:
        child.kill()
    child.wait()
    tail = _log_since(home, before)
    raise LocalCloudError(
        f"the local cloud's daemon {why}:\n{tail}", hint=f"the whole log is {home.daemon_log}"
    )


def _end(record: DaemonRecord, home: Home) -> None:
    process = daemon_record.open_process(record.pid)
    if process is not None:
        try:
            os.kill(record.pid, signal.SIGTERM)
            began = time.monotonic()
            readable, _, _ = select.select([process], [], [], STOP_SECONDS)
            if not readable:
                # The kernel ends its machines and its registry with it: see children.py.
                os.kill(record.pid, signal.SIGKILL)
                readable, _, _ = select.select([process], [], [], STOP_SECONDS)
            if not readable:
                raise LocalCloudError(
                    f"the local cloud's daemon (process {record.pid}) does not end: it was killed "
                    f"{time.monotonic() - began - STOP_SECONDS:.0f} s ago",
                    hint=f"its log is {home.daemon_log}",
                )
        finally:
            os.close(process)
    home.daemon_record.unlink(missing_ok=True)


def _log_since(home: Home, offset: int) -> str:
    with home.daemon_log.open("rb") as file:
        file.seek(offset)
        lines = file.read().decode(errors="replace").strip().splitlines()
    return "\n".join(lines[-LOG_TAIL_LINES:]) or "(it wrote nothing)"
