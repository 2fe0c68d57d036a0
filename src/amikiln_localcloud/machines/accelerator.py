"""Chooses KVM where it works, else emulation.

Only a boot shows whether it works: inside other virtual machines /dev/kvm may exist, and QEMU
may still end with "emulation failure" a moment after the start, or hang.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path

from amikiln.runtime import process
from amikiln.runtime.files import write_atomically
from amikiln.runtime.progress import Reporter
from amikiln_localcloud.children import die_with_parent
from amikiln_localcloud.machines.contract import SnapshotFiles

KVM = ("-accel", "kvm", "-cpu", "host")
# svm: an emulated processor that can virtualise makes the guest load KVM, which is large.
EMULATION = ("-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,svm=off")
KVM_DEVICE = Path("/dev/kvm")
PROBE_SECONDS = 20.0
"""With KVM the probe takes about five seconds; if it takes longer, KVM is no better."""
SIGN_OF_LIFE = "guest-is-alive"
SIGNS_WANTED = 3


def find_obstacle(cache: Path, base: SnapshotFiles, report: Reporter) -> str | None:
    """Return why KVM does not work here; None: it does.

    The first time on a host, a guest is booted to find out. The result is kept in the cache, for
    this version of QEMU, this kernel and this processor.

    Args:
        cache: The cache directory.
        base: The disk that is booted; nothing is written to it.
        report: Reports the probe while it runs.
    """
    if not os.access(KVM_DEVICE, os.R_OK | os.W_OK):
        return f"no access to {KVM_DEVICE}"
    record = cache / "accelerator" / f"{_host_key()}.json"
    try:
        problem: str | None = json.loads(record.read_text())["problem"]
    except (OSError, ValueError, KeyError):
        with report.status("trying KVM (once; 5 s, or 20 s if it hangs)"):
            problem = probe(KVM, base)
        write_atomically(record, json.dumps({"problem": problem}))
    return problem and f"KVM is there but does not work: {_explain(problem)}"


def probe(
    accelerator: Sequence[str], base: SnapshotFiles, deadline_seconds: float = PROBE_SECONDS
) -> str | None:
    """Boot a guest that prints a sign of life each second; return why it did not, or None.

    Args:
        accelerator: QEMU's arguments to try.
        base: The guest's kernel and disk, read only.
        deadline_seconds: When to give up.
    """
    signs = 0
    output: list[str] = []

    def look(line: str) -> None:
        nonlocal signs
        output.append(line)
        # The kernel prints its command line, which contains the sign too.
        signs += line.strip() == SIGN_OF_LIFE
        if signs == SIGNS_WANTED:
            raise _Alive

    try:
        argv = die_with_parent(_probe_command(accelerator, base))
        process.stream(argv, look, timeout_seconds=deadline_seconds)
    except _Alive:
        return None
    except process.CommandFailed as error:
        if error.exit_code_seen is None:
            complaint = next((line for line in output if "KVM" in line), "")
            return f"a guest did not run in {deadline_seconds:.0f} s" + (
                f" ({complaint.strip()})" if complaint else ""
            )
        return error.tail.strip().rpartition("\n")[2] or str(error)
    return "the guest ended by itself"


def _explain(problem: str) -> str:
    """Return a problem in a user's words: what QEMU says when it aborts is for its developers."""
    if "Assertion" in problem:
        return "QEMU aborts as soon as it starts a machine with it"
    return problem.removeprefix("qemu-system-x86_64: ")


class _Alive(Exception):
    """The guest gave enough signs of life."""


def _probe_command(accelerator: Sequence[str], base: SnapshotFiles) -> list[str]:
    disk = {
        "driver": "raw",
        "node-name": "disk",
        "read-only": True,
        "file": {"driver": "file", "filename": str(base.disk), "read-only": True},
    }
    live = f"while sleep 1; do echo {SIGN_OF_LIFE}; done"
    kernel_arguments = f'console=ttyS0 quiet root=/dev/nvme0n1 ro init=/bin/sh -- -c "{live}"'
    argv = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"]
    argv += ["-machine", "q35", "-m", "256M"]
    argv += [*accelerator, "-serial", "stdio"]
    argv += ["-kernel", str(base.kernel), "-append", kernel_arguments]
    if base.initrd.exists():
        argv += ["-initrd", str(base.initrd)]
    return [*argv, "-blockdev", json.dumps(disk), "-device", "nvme,drive=disk,serial=probe"]


def _host_key() -> str:
    version = process.run(["qemu-system-x86_64", "--version"]).stdout.decode()
    processor = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    parts = (version, platform.release(), processor[1] if processor else "")
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]
