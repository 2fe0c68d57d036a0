"""Inside a machine's namespaces: its overlay as a mounted file system.

The overlay is served by qemu-storage-daemon, shown as a file by nbdfuse, and made a block device by
a loop device with direct I/O: right, and as concurrent as the machine asks. QEMU's own FUSE export
would be one process less, and loses data below a loop device with direct I/O.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import select
import struct
import subprocess
from pathlib import Path

from amikiln_localcloud.machines.container.commands import Refused, is_stopped, run
from amikiln_localcloud.machines.unix_sockets import listen_on

START_SECONDS = 30.0

# linux/loop.h
LOOP_CTL_GET_FREE, LOOP_CONFIGURE = 0x4C82, 0x4C0A
LO_FLAGS_AUTOCLEAR, LO_FLAGS_DIRECT_IO = 4, 16
LOOP_CONFIG = "=II 5Q4I64s64s32s2Q 8Q"
"""struct loop_config: a file, a block size, struct loop_info64, and room for more."""

APART = ("unshare", "--mount")
"""Puts a process of the disk's into a mount namespace of its own. In the machine's, one of them
could be the last to die. It would unmount the file system before it lets go of what serves it, and
wait for itself for ever, and so would every later sync(2) on the host."""

E2FSCK_REPAIRED = 1
"""e2fsck(8): errors were corrected; more is damage."""


class Storage:
    """One machine's disk, until it is unmounted or the namespaces end.

    Args:
        directory: The machine's: disk.qcow2 is in it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / "root"
        self.processes: list[subprocess.Popen[bytes]] = []

    def mount(self) -> None:
        """Check the file system, let it fill the disk, and mount it."""
        self.root.mkdir(exist_ok=True)
        device = self.attach()
        try:
            run("e2fsck", "-f", "-y", device.path, ok=(0, E2FSCK_REPAIRED))
            run("resize2fs", device.path)
            run("mount", "-o", "errors=remount-ro", device.path, str(self.root))
        finally:
            os.close(device.handle)

    def attach(self) -> LoopDevice:
        """Make the disk a block device, which stays until it is closed and not mounted."""
        cache = {"direct": False, "no-flush": True}
        disk = {
            "driver": "file",
            "filename": str(self.directory / "disk.qcow2"),
            "discard": "unmap",
        }
        node = {"driver": "qcow2", "node-name": "disk", "file": {**disk, "cache": cache}}
        export = {"type": "nbd", "id": "disk", "node-name": "disk", "writable": True}
        # It takes over sockets that listen already: nobody has to wait for it.
        monitor = self.directory / "monitor"
        with listen_on(self.directory / "nbd") as nbd, listen_on(monitor) as qmp:
            monitor.chmod(0o666)  # only the owner of the directory gets so far
            server = {"addr": {"type": "fd", "str": str(nbd.fileno())}, "max-connections": 0}
            self._start(
                "qemu-storage-daemon",
                "--chardev", f"socket,id=monitor,fd={qmp.fileno()},server=on,wait=off",
                "--monitor", "chardev=monitor",
                "--blockdev", json.dumps({**node, "cache": cache, "discard": "unmap"}),
                "--nbd-server", json.dumps(server),
                "--export", json.dumps(export),
                pass_fds=(nbd.fileno(), qmp.fileno()),
            )  # fmt: skip
        file, ready = self.directory / "disk", self.directory / "ready"
        file.write_bytes(b"")
        ready.unlink(missing_ok=True)
        os.mkfifo(ready)
        self._start(
            "nbdfuse",
            "--pidfile",
            str(ready),
            str(file),
            "nbd+unix:///disk?socket=nbd",  # from its own folder: see unix_sockets.py
        )
        self._await_ready(ready)
        return attach(Path(f"/proc/{self.processes[-1].pid}/root{file}"))

    def _start(self, *argv: str, pass_fds: tuple[int, ...] = ()) -> None:
        self.processes.append(
            subprocess.Popen(
                [*APART, *argv], stdin=subprocess.DEVNULL, pass_fds=pass_fds, cwd=self.directory
            )
        )

    def _await_ready(self, fifo: Path) -> None:
        """Wait until a storage process has written its id, which it does when it serves."""
        # Opened for both: it neither blocks nor ends when the writer closes.
        handle = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        ended = os.pidfd_open(self.processes[-1].pid)
        try:
            readable, _, _ = select.select([handle, ended], [], [], START_SECONDS)
            if handle not in readable:
                raise Refused(f"{program(self.processes[-1])} did not start")
            os.read(handle, 64)
        finally:
            os.close(handle)
            os.close(ended)

    def find_loss(self) -> str | None:
        """Return which process of the disk's has ended; None: all of them run."""
        for child in self.processes:
            if child.poll() is not None:
                return f"{program(child)} ended, and with it the disk"
        return None

    def find_stopped(self) -> str | None:
        """Return which process of the disk's was stopped by a signal; None: none of them."""
        for child in self.processes:
            if is_stopped(child.pid):
                return f"{program(child)} was stopped, and with it the disk"
        return None

    def unmount(self) -> None:
        """Unmount, so that all is in the overlay."""
        run("umount", "--recursive", str(self.root))
        self.end()

    def end(self) -> None:
        """End FUSE and then the disk's server, so that all is in the overlay."""
        for child in reversed(self.processes):
            child.terminate()
            child.wait()


def program(child: subprocess.Popen[bytes]) -> str:
    """Return the name of a child's program."""
    words = child.args
    return str(words[len(APART)]) if isinstance(words, list) else str(words)


class LoopDevice:
    """An attached loop device, which the kernel detaches when its last user lets go."""

    def __init__(self, path: str, handle: int) -> None:
        self.path = path
        self.handle = handle


def attach(file: Path) -> LoopDevice:
    """Attach a file to a free loop device, so that it detaches itself after a kill, too."""
    with open(file, "r+b") as backing, open("/dev/loop-control", "r+b", buffering=0) as control:
        while True:
            number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
            path = f"/dev/loop{number}"
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO
            info = (0,) * 5 + (0, 0, 0, flags) + (str(file).encode()[-63:], b"", b"") + (0, 0)
            config = struct.pack(LOOP_CONFIG, backing.fileno(), 0, *info, *(0,) * 8)
            try:
                fcntl.ioctl(handle, LOOP_CONFIGURE, config)
            except OSError as error:
                os.close(handle)
                if error.errno == errno.EBUSY:  # somebody else was faster
                    continue
                raise
            return LoopDevice(path, handle)
