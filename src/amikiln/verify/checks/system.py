"""The machine as a whole: it booted, and has what builds need."""

from __future__ import annotations

import shlex

from amikiln.model.verdict import Outcome
from amikiln.verify.checks.finding import Finding, Subject, compared, until

GIB_IN_KIB = 1024**2
DOCKER_FACTS = "docker info --format '{{.Driver}} {{.DockerRootDir}}'"


def boot_finished(subject: Subject) -> Finding:
    """The system came up whole: no unit failed."""
    state = subject.ask("systemctl is-system-running --wait || true")
    if state == "running":
        return Outcome.PASS, "all units are up", ""
    failed = subject.ask("systemctl list-units --failed --plain --no-legend")
    names = ", ".join(line.split()[0] for line in failed.splitlines() if line.strip())
    return (
        Outcome.FAIL,
        f"the system is {state}; failed units: {names or 'none'}",
        "`journalctl -u UNIT` on the machine says why",
    )


def docker_as_baked(subject: Subject) -> Finding:
    """Docker is up, and looks where the bake left things: another place is an empty one."""
    bound = subject.plan.spec.verify.builder_up_seconds
    found = subject.ask(
        f"{until('docker info', bound)}; {DOCKER_FACTS}",
        timeout_seconds=bound + 60,
    ).split()
    baked = subject.manifest()["docker_store"]
    return compared(
        found, [baked["driver"], baked["data_root"]], "Docker's storage driver and data root"
    )


def room_on_disk(subject: Subject) -> Finding:
    """There is more free than what lets the fleet's clean-up prune images and cache."""
    root = shlex.quote(str(subject.manifest()["docker_store"]["data_root"]))
    free_kib, free_inodes = (
        int(subject.ask(f"df -k --output={column} {root} | tail -n 1"))
        for column in ("avail", "iavail")
    )
    wanted = subject.plan.spec.verify
    evidence = f"{free_kib / GIB_IN_KIB:.1f} GiB and {free_inodes} inodes are free"
    if (
        free_kib >= wanted.minimum_free_gib * GIB_IN_KIB
        and free_inodes >= wanted.minimum_free_inodes
    ):
        return Outcome.PASS, evidence, ""
    return (
        Outcome.FAIL,
        f"{evidence}; wanted: {wanted.minimum_free_gib} GiB and"
        f" {wanted.minimum_free_inodes} inodes",
        "raise volume.size_gib, or put less into the image",
    )
