"""The local cloud's process: ``python -m amikiln_localcloud.daemon --state DIR --cache DIR``.

``control.up`` starts it. What it writes to its standard output is its log.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from amikiln.errors import AmikilnError, LocalCloudError
from amikiln.version import __version__
from amikiln_localcloud import daemon_record
from amikiln_localcloud.home import Home
from amikiln_localcloud.machines.contract import Hypervisor, SnapshotFiles
from amikiln_localcloud.machines.kinds import Choice, Kind, make_hypervisor

log = logging.getLogger("amikiln.daemon")


class RunningRegistry(Protocol):
    """What the daemon needs of a registry that was started."""

    @property
    def address(self) -> str: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class ImageToMake:
    """An image that is made when a machine is first launched from it.

    Attributes:
        files: Where it will be.
        key: Its ids are derived from it.
        make: Makes it, or waits for who does.
    """

    files: SnapshotFiles
    key: str
    make: Callable[[], object]


@dataclass(frozen=True)
class Parts:
    """The parts of a cloud other than its API.

    Attributes:
        base_key: The base image's ids are derived from it.
        base_gib: Size of its root file system.
        late: How many seconds late the API shows new things.
        stack: The image that stands for the Elastic CI Stack's.
    """

    hypervisor: Hypervisor
    registry: RunningRegistry
    base: SnapshotFiles
    base_key: str
    base_gib: int
    choice: Choice
    late: float = 0
    stack: ImageToMake | None = None


class LogReporter:
    """Reports progress in the daemon's log."""

    def group(self, title: str) -> None:
        log.info("%s", title)

    def line(self, text: str) -> None:
        log.info("%s", text)

    @contextmanager
    def status(self, text: str) -> Iterator[None]:
        log.info("%s ...", text)
        yield


def start_parts(home: Home, choice: Choice, late: float = 0) -> Parts:
    """Start the registry and make the hypervisor; the base image has to be in the cache.

    Args:
        home: The cloud's files.
        choice: The kind of machines, which was found to work here.
        late: How many seconds late the API shows new things.

    Raises:
        AmikilnError: Something that is needed is missing or does not start.
    """
    from amikiln_localcloud.children import Launcher
    from amikiln_localcloud.machines import base_image
    from amikiln_localcloud.machines.guest_values import RegistryAddress
    from amikiln_localcloud.registry.server import Registry

    files = base_image.ensure_base(home.cache, LogReporter())
    launcher = Launcher()
    registry = Registry(home, launcher)
    registry.start()
    host, _, port = registry.address.partition(":")
    hypervisor = make_hypervisor(home, launcher, choice, RegistryAddress(host, int(port)))
    base_key, base_gib = base_image.compute_base_key(), base_image.DISK_GIB
    variant = base_image.Variant.ELASTIC_STACK
    stack_key = base_image.compute_base_key(variant)
    stack = ImageToMake(
        base_image.locate_base(home.cache, variant),
        stack_key,
        lambda: base_image.ensure_base(home.cache, LogReporter(), variant),
    )
    return Parts(hypervisor, registry, files, base_key, base_gib, choice, late, stack)


def serve(home: Home, make_parts: Callable[[Home], Parts]) -> None:
    """Serve the cloud of this home until SIGTERM, SIGINT or SIGHUP.

    Args:
        home: The cloud's files.
        make_parts: Starts the registry and makes the hypervisor.

    Raises:
        AmikilnError: It cannot start, for example because another daemon serves this home.
        OSError: A file cannot be read or written.
    """
    # Blocked before any thread starts, so that every thread inherits it: sigwait below gets them.
    ending = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    home.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(_lock(home))
        home.daemon_record.unlink(missing_ok=True)
        parts = make_parts(home)
        stack.callback(parts.registry.close)
        stack.callback(parts.hypervisor.close)
        parts.hypervisor.sweep()

        # Imported here: a daemon that cannot start reports that without a second of imports.
        from amikiln_localcloud.api.base_image import ELASTIC_STACK, register_base
        from amikiln_localcloud.api.cloud import Cloud
        from amikiln_localcloud.api.late import Lateness
        from amikiln_localcloud.api.persistence import restore
        from amikiln_localcloud.api.server import Server

        cloud = Cloud(home, parts.hypervisor, late=Lateness(parts.late))
        server = Server(cloud)
        restore(cloud)
        register_base(cloud, parts.base, key=parts.base_key, size_gib=parts.base_gib)
        if parts.stack is not None:
            register_base(
                cloud,
                parts.stack.files,
                key=parts.stack.key,
                size_gib=parts.base_gib,
                offer=ELASTIC_STACK,
                make=parts.stack.make,
            )
        server.start()
        stack.callback(server.stop)
        _return_free_memory()
        record = daemon_record.DaemonRecord(
            pid=os.getpid(),
            started_ticks=daemon_record.read_start_ticks(os.getpid()) or 0,
            port=server.port,
            registry=parts.registry.address,
            version=__version__,
            machines=parts.choice.kind,
            machines_reason=parts.choice.reason,
            late=parts.late,
        )
        record.write(home.daemon_record)
        stack.callback(lambda: home.daemon_record.unlink(missing_ok=True))
        log.info("ready: %s, registry %s", server.endpoint, parts.registry.address)
        _report_ready()
        received = signal.sigwait(ending)
        log.info("%s: ending every machine", signal.Signals(received).name)
    log.info("down")


@contextmanager
def _lock(home: Home) -> Iterator[None]:
    """Hold the home's lock; the kernel releases it however this process ends."""
    lock = FileLock(home.state / "daemon.lock", blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise LocalCloudError(
            f"another daemon serves the local cloud in {home.state}",
            hint="amikiln cloud status",
        ) from None
    try:
        yield
    finally:
        lock.release()


def _report_ready() -> None:
    """Write a line to the pipe that ``control.up`` waits on, and close it."""
    descriptor = os.environ.get(daemon_record.READY_DESCRIPTOR)
    if descriptor is None:
        return
    try:
        os.write(int(descriptor), b"ready\n")
        os.close(int(descriptor))
    except OSError:
        # The process that started this one is gone; the cloud is up all the same.
        log.info("the process that started this daemon is gone")


def _return_free_memory() -> None:
    # Parsing moto's and botocore's data leaves free memory behind, which glibc does not return.
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(prog="python -m amikiln_localcloud.daemon")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--machines", type=Kind, required=True)
    parser.add_argument("--reason", required=True)
    parser.add_argument("--late", type=float, default=0)
    given = parser.parse_args()
    configure_log()
    choice = Choice(given.machines, given.reason)
    run(
        Home(state=given.state, cache=given.cache),
        lambda home: start_parts(home, choice, given.late),
    )


def run(home: Home, make_parts: Callable[[Home], Parts]) -> None:
    """Serve; errors become one line in the log and an exit code."""
    try:
        serve(home, make_parts)
    except AmikilnError as error:
        log.error("%s%s", error.what, f" (hint: {error.hint})" if error.hint else "")
        sys.exit(error.exit_code)
    except Exception:
        log.exception("the local cloud failed")
        sys.exit(LocalCloudError.exit_code)


def configure_log() -> None:
    """Write the log to stdout, which ``control.up`` redirects to a file."""
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.INFO,
        format="%(asctime)s %(name)s %(levelname)s %(message)s",
    )
    for name in ("botocore", "boto3", "urllib3", "werkzeug", "moto", "responses"):
        logging.getLogger(name).setLevel(logging.WARNING)


if __name__ == "__main__":
    main()
