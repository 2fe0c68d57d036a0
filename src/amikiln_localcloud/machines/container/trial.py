"""Whether machines can be containers here: what they need is looked for, then one is booted."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from amikiln.runtime import process
from amikiln.runtime.cache import compute_key
from amikiln.runtime.files import write_atomically
from amikiln.runtime.installed import find_line_for
from amikiln.runtime.progress import Reporter
from amikiln_localcloud.children import Launcher
from amikiln_localcloud.home import LOOPBACK, REGION, Home
from amikiln_localcloud.machines.container import kernel_settings, sudo
from amikiln_localcloud.machines.container.cgroups import Hierarchies
from amikiln_localcloud.machines.container.machine import (
    ContainerHypervisor,
    build_nspawn_command,
)
from amikiln_localcloud.machines.contract import (
    InstanceMetadata,
    MachineFailure,
    MachinePlan,
    SnapshotFiles,
)

PROGRAMS = (
    "systemd-nspawn",
    "slirp4netns",
    "nbdfuse",
    "qemu-storage-daemon",
    "nft",
    "ip",
    "unshare",
    "nsenter",
    "e2fsck",
    "resize2fs",
)
"""What a container machine needs."""

DEVICES = ("/dev/fuse", "/dev/loop-control")
CAPABILITIES = {"CAP_SYS_ADMIN": 21, "CAP_NET_ADMIN": 12}
"""Root in a container may lack them; numbers of linux/capability.h."""
STATUS = Path("/proc/self/status")
VERSIONED = ("systemd-nspawn", "slirp4netns", "nbdfuse", "qemu-storage-daemon")
RESOLVED_NAME = "example.com"
SILENCE_SECONDS = 120.0
LONGEST_SECONDS = 900.0
"""The trial takes five where it works, minutes on a host that is emulated itself. It goes on for
as long as the machine's console does."""
PLACE = "/var/tmp"  # noqa: S108
"""For the trial's disk: the usual place may be a small file system in memory."""
INSTANCE_ID = "i-0trial"
VOLUME_GIB = 11
BEGINS, PASSED, ENDS = "-- trial begins", "-- trial passed", "-- trial ends"

# One container of Docker's from the machine's own programs, with a port and a look at DNS: a kernel
# module that is missing for overlays, bridges or port forwarding shows itself here, and not in a
# bake.
USER_DATA = f"""#!/bin/sh
set -eu
exec 2>&1
trap 'echo "{ENDS}"; systemctl poweroff' EXIT
echo "{BEGINS}"
systemctl show --property=Version >/dev/null
files=$(ldd /bin/sh /usr/bin/getent | grep -o '/[^ :)]*' | sort -u)
tar -C / -c --dereference $(echo "$files" | sed 's|^/||') |
    docker import - trial >/dev/null
docker run --rm --publish 8080:80 trial /bin/sh -c '{{command}}' >/dev/null
echo "{PASSED}"
"""


def find_obstacle(cache: Path, base: SnapshotFiles, report: Reporter) -> str | None:
    """Return why machines cannot be containers here; None: they can.

    The answer is kept in the cache, for this boot, kernel, user and these programs, unless it took
    too long.

    Args:
        cache: The cache directory.
        base: What the trial boots; nothing is written to it.
        report: Says that the trial runs.
    """
    obstacle = find_missing()
    if obstacle is not None:
        return obstacle
    record = cache / "containers" / f"{_host_key()}.json"
    try:
        found: str | None = json.loads(record.read_text())["obstacle"]
    except (OSError, ValueError, KeyError):
        with report.status("trying a container machine (once a boot; 5 s)"):
            try:
                found = try_machine(cache, base)
            except TimeoutError as late:  # not kept: the next may be in time
                return str(late)
        write_atomically(record, json.dumps({"obstacle": found}))
    return found


def find_missing() -> str | None:
    """Return what a container machine needs and this host lacks, with what to do about it."""
    if sudo.is_needed():
        try:
            return sudo.ask("missing")
        except MachineFailure as failure:
            return f"containers need root, or sudo without a password ({failure})"
    for name, number in CAPABILITIES.items():
        if not _read_capabilities() >> number & 1:
            return f"no {name}: root is confined here, as in a container"
    if Hierarchies.of_this_host() is None:
        return "no cgroup 2 is mounted"
    for device in DEVICES:
        if not os.access(device, os.R_OK | os.W_OK):
            return f"no access to {device}"
    if not kernel_settings.can_protect():
        return "the kernel takes no BPF programs for control groups (CONFIG_CGROUP_BPF)"
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing:
        return f"not installed: {', '.join(missing)} ({find_line_for(*missing)})"
    return find_unknown_option(_ask("systemd-nspawn", "--help"))


def find_unknown_option(help: str) -> str | None:
    """Return which option of ours a systemd-nspawn does not know, by its own help; None: none."""
    known = set(re.findall(r"--[a-z-]+", help))
    command = build_nspawn_command(Path("/"), [Path("/value")])
    for word in command[1:]:
        option = word.partition("=")[0]
        if option not in known:
            return f"systemd-nspawn is too old: it does not know {option}"
    return None


def try_machine(cache: Path, base: SnapshotFiles) -> str | None:
    """Boot a machine whose Docker runs a container; return why that failed, or None.

    Args:
        cache: The cache directory.
        base: What is booted; nothing is written to it.

    Raises:
        TimeoutError: It took too long; how far it came.
    """
    hierarchies = Hierarchies.of_this_host()
    if hierarchies is None:
        return "no cgroup 2 is mounted"
    ended = threading.Event()
    with tempfile.TemporaryDirectory(prefix="amikiln-trial-", dir=PLACE) as state:
        hypervisor = ContainerHypervisor(Home(Path(state), cache), Launcher(), hierarchies)
        plan = MachinePlan(INSTANCE_ID, base, 1, 1024, VOLUME_GIB, _describe_instance)
        try:
            machine = hypervisor.create(plan)
            machine.start(lambda ending, why: ended.set())
            in_time = await_end(ended, machine.console)
            console = machine.console().decode(errors="replace")
        except (MachineFailure, OSError) as error:
            return f"a container machine does not boot: {error}"
        finally:
            hypervisor.close()
    if PASSED in console:
        return None
    said = find_last_words(console)
    if not in_time:
        raise TimeoutError(f"a container machine does not run Docker in time: {said}")
    return f"a container machine does not run Docker: {said}"


def await_end(ended: threading.Event, console: Callable[[], bytes]) -> bool:
    """Wait for the trial's end; False: its console fell silent before, or wrote for too long."""
    length = 0
    for _ in range(int(LONGEST_SECONDS / SILENCE_SECONDS)):
        if ended.wait(SILENCE_SECONDS):
            return True
        before, length = length, len(console())
        if length == before:
            return False
    return False


def find_last_words(console: str) -> str:
    """Return the last line that the trial wrote, without the name that systemd puts before it."""
    lines = console.partition(BEGINS)[2].partition(ENDS)[0].splitlines()
    said = [re.sub(r"^\S+\[\d+\]:", "", line.strip()).strip() for line in lines]
    return next((words for words in reversed(said) if words), "its console says nothing")


def _describe_instance() -> InstanceMetadata:
    return InstanceMetadata(
        instance_id=INSTANCE_ID,
        ami_id="ami-00000000",
        instance_type="t3.small",
        region=REGION,
        availability_zone=f"{REGION}a",
        private_ip="10.0.0.1",
        public_ip=LOOPBACK,
        token_required=True,
        user_data=USER_DATA.format(command=_choose_command()).encode(),
    )


def _choose_command() -> str:
    """Return what the container runs: without a network here, it need not have one either."""
    try:
        socket.getaddrinfo(RESOLVED_NAME, None)
    except OSError:
        return "echo hello"
    return f"getent ahostsv4 {RESOLVED_NAME} || {{ echo no name is resolved >&2; exit 1; }}"


def _read_capabilities() -> int:
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", STATUS.read_text(), re.M)
    return int(found[1], 16) if found else 0


def _ask(*argv: str) -> str:
    try:
        return process.run(argv).stdout.decode(errors="replace")
    except process.CommandFailed as error:
        return error.tail


def _host_key() -> str:
    versions = "".join(_ask(name, "--version") for name in VERSIONED)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    programs = "".join(f"{shutil.which(name)}" for name in PROGRAMS)
    kernel, user = platform.release(), str(os.geteuid())
    ours = "".join(file.read_text() for file in sorted(Path(__file__).parent.glob("*.py")))
    return compute_key(boot, kernel, user, versions, programs, USER_DATA, ours)
