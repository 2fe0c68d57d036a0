"""amikiln where it cannot be run here, on macOS and arm64: what can be proven without them."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
SOURCE = REPOSITORY / "src" / "amikiln"
MODULES = sorted(file for file in SOURCE.rglob("*.py"))
LINUX_ONLY = {
    "os": (
        "CLONE_NEWNS O_DIRECT O_PATH O_TMPFILE SCHED_IDLE copy_file_range eventfd fdatasync"
        " getrandom getresuid getxattr listxattr memfd_create pidfd_open pipe2"
        " posix_fadvise posix_fallocate removexattr sched_getaffinity sched_setaffinity"
        " sched_setscheduler setns setresuid setxattr splice unshare"
    ),
    "signal": "SIGPWR SIGSTKFLT SIGRTMAX SIGRTMIN pidfd_send_signal sigtimedwait sigwaitinfo",
    "select": "EPOLLIN epoll",
    "socket": "AF_ALG AF_NETLINK AF_PACKET AF_VSOCK SO_BINDTODEVICE SO_PEERCRED SOCK_CLOEXEC",
    "fcntl": "F_ADD_SEALS F_OFD_SETLK F_SETPIPE_SZ",
    "resource": "RLIMIT_NICE RLIMIT_SIGPENDING prlimit",
    "time": "CLOCK_BOOTTIME pthread_getcpuclockid",
}
"""What Python has on Linux and not on macOS: "Availability" in its library's reference."""
LINUX_ONLY_MODULES = {"amikiln_localcloud", "ctypes", "moto", "ossaudiodev", "spwd"}
RUN_IN_THE_GUEST = ("verify/checks/",)
"""Where the text of commands is for the machine, which is Linux always."""
OF_LINUX_OR_GNU = (
    "/proc/", "/sys/", "/dev/fd", "/dev/sh" + "m", "sed -i", "date -d", "stat -c", "readlink -f",
    "--reflink", "--sort=name", "xargs -d", "find -printf",
)  # fmt: skip

IMPORT_ALL = """
import importlib, pkgutil, platform, sys, types
import os, select, signal, socket, fcntl, resource, time
# What others made looks at the platform in its own way, and is theirs to prove.
import boto3, filelock, hcl2.utils, jinja2, pydantic, pydantic.fields, rich.table, typer, yaml
import pydantic.types, rich.live, sysconfig, zoneinfo

missing, blocked = {missing!r}, {blocked!r}
for module, names in missing.items():
    for name in names.split():
        if hasattr(sys.modules[module], name):
            delattr(sys.modules[module], name)

class Block:
    def find_spec(self, name, path=None, target=None):
        # What others import for themselves works there in its own way.
        caller = sys._getframe(1)
        while caller is not None and "importlib" in caller.f_code.co_filename:
            caller = caller.f_back
        ours = caller is not None and "/src/amikiln/" in caller.f_code.co_filename
        if ours and name.partition(".")[0] in blocked:
            raise ImportError(name + " is not for macOS")

sys.meta_path.insert(0, Block())
sys.platform = "darwin"
platform.system = lambda: "Darwin"
platform.machine = lambda: "arm64"

import amikiln
count = 0
for found in pkgutil.walk_packages(amikiln.__path__, "amikiln."):
    if found.name != "amikiln.__main__":
        importlib.import_module(found.name)
        count += 1
from amikiln.recipe import scanner_program
from amikiln.runtime import directories
assert not any(map(scanner_program.runs_here, scanner_program.RELEASES))
assert not scanner_program.runs_here("arm64")
assert "Library" in str(directories.cache_directory()), directories.cache_directory()
print(count)
"""


def test_everything_can_be_imported_without_what_linux_alone_has() -> None:
    program = IMPORT_ALL.format(missing=LINUX_ONLY, blocked=LINUX_ONLY_MODULES)
    environment = {
        name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # All but amikiln itself, and __main__, which runs it.
    assert int(done.stdout) == len(MODULES) - 2


def find_linux_only(file: Path, in_the_guest: bool = False) -> Iterator[str]:
    """Yield what of a module is there on Linux alone, also in functions that run later."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in LINUX_ONLY.get(node.value.id, "").split():
                yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.ImportFrom):
            names = LINUX_ONLY.get(node.module or "", "").split()
            yield from (alias.name for alias in node.names if alias.name in names)
        elif isinstance(node, ast.Import):
            names = [alias.name.partition(".")[0] for alias in node.names]
            yield from (name for name in names if name in LINUX_ONLY_MODULES)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not in_the_guest:
            yield from (word for word in OF_LINUX_OR_GNU if word in node.value)


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_nothing_uses_what_linux_alone_has(file: Path) -> None:
    in_the_guest = str(file.relative_to(SOURCE)).startswith(RUN_IN_THE_GUEST)
    assert list(find_linux_only(file, in_the_guest)) == []


def test_the_look_finds_what_the_local_cloud_needs_of_linux() -> None:
    found = {
        word
        for file in (SOURCE.parent / "amikiln_localcloud").rglob("*.py")
        for word in find_linux_only(file)
    }
    assert {"ctypes", "/proc/"} <= found


@pytest.mark.parametrize(
    ("platform", "extra"),
    [("aarch64-apple-darwin", ""), ("aarch64-unknown-linux-gnu", "local")],
)
def test_every_dependency_can_be_had_there(platform: str, extra: str, tmp_path: Path) -> None:
    """A sample of scripts/lib/resolve_platforms.py, which scripts/release runs for all of them."""
    sys.path.insert(0, str(REPOSITORY / "scripts" / "lib"))
    try:
        import resolve_platforms
    finally:
        sys.path.pop(0)
    constraints = tmp_path / "constraints.txt"
    resolve_platforms.write_constraints(REPOSITORY / "requirements.lock", constraints)
    fault = resolve_platforms.resolve(REPOSITORY, constraints, platform, "3.11", extra)
    if fault and ("error sending request" in fault or "dns error" in fault):
        pytest.skip(f"the package index cannot be reached: {fault.splitlines()[-1]}")
    assert fault is None
    # A version that nobody has is a fault, so that "no fault" says something.
    constraints.write_text("boto3==0.0.0\n")
    assert resolve_platforms.resolve(REPOSITORY, constraints, platform, "3.11", extra)
