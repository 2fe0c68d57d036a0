"""What a machine's control group is divided into: what serves the machine, and each boot of it.

Version 2 gives controllers to the groups below one only while no process is in that one itself:
https://docs.kernel.org/admin-guide/cgroup-v2.html#no-internal-process-constraint. Limits are those
of a boot: a server of the machine's disk that waits for memory would wait for the machine's pages
to be written, which it has to do itself.

It imports little, for the supervisor is in the way of each boot.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

MIB = 1024**2
MOST_PROCESSES = 32768
KEEPER = "keeper"

DIVIDE = f"""
mkdir "$0/{KEEPER}" && echo $$ >"$0/{KEEPER}/cgroup.procs" || exit
for name in $(cat "$0/cgroup.controllers"); do
    echo "+$name" >"$0/cgroup.subtree_control" || true
done
exec "$@"
"""


def divide(group: Path) -> list[str]:
    """Return the words before a program's that move it into the part of what serves the machine.

    Args:
        group: The machine's group, which they run in, as this host has it mounted.
    """
    return ["sh", "-c", DIVIDE, str(group)]


def make_boot_group(
    number: int,
    memory_mib: int,
    processors: Sequence[int],
    mounted: Path = Path("/sys/fs/cgroup"),
    own: Path = Path("/proc/self/cgroup"),
) -> list[str]:
    """Make the group of a boot, beside the caller's own; return what runs a program in it.

    Args:
        number: Which boot it is; the groups of those before go.
        memory_mib: What it may use.
        processors: Those of the host's that it may use.
        mounted: Where cgroup 2 is.
        own: Names the caller's group: cgroups(7).
    """
    name = next(line[3:] for line in own.read_text().splitlines() if line.startswith("0::"))
    machine = (mounted / name.strip("/")).parent
    for before in range(number):
        remove_tree(machine / f"boot-{before}")
    group = machine / f"boot-{number}"
    group.mkdir()
    limits = {
        "memory.max": memory_mib * MIB,
        "pids.max": MOST_PROCESSES,
        "cpuset.cpus": ",".join(map(str, processors)),
    }
    for file, value in limits.items():
        if (group / file).exists():  # there is a controller for it
            (group / file).write_text(str(value))
    return ["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(group / "cgroup.procs")]


def remove_tree(group: Path) -> None:
    """Remove a group and all below it, from the leaves up; one that is in use stays."""
    for folder, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
