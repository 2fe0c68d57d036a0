"""The machine as a whole: it booted, and has what builds need."""

from __future__ import annotations

import shlex

from amikiln.machine.virtualization import describe_machine, is_container
from amikiln.model.verdict import Outcome
from amikiln.recipe.render import list_docker_mirrors
from amikiln.verify.checks.finding import (
    Finding,
    KernelBoot,
    Subject,
    compare,
    failed,
    passed,
    unknown,
    wait_until,
)

MOVING_KEYS = {
    "instance_storage": "EnableInstanceStorage",
    "user_namespace_remap": "EnableDockerUserNamespaceRemap",
}
"""Of ``[fleet]``, what moves Docker's data root, and an Elastic CI Stack's parameter for it."""

GIB_IN_KIB = 1024**2
BYTES_IN_GIB = 1024**3
DOCKER_FACTS = (
    "docker info --format '{{.Driver}} {{.DockerRootDir}}"
    "{{range .RegistryConfig.Mirrors}} {{.}}{{end}}'"
)


def boot_finished(subject: Subject) -> Finding:
    """The system came up, and no unit failed; where /boot changed, its kernel booted, too."""
    state = subject.ask("systemctl is-system-running --wait || true")
    if state == "running":
        if is_container(subject.machine) and subject.read_manifest().get("boot_changed"):
            return _judge_kernel_boot(subject)
        return passed("all units are up")
    units = subject.ask("systemctl list-units --failed --plain --no-legend")
    names = ", ".join(line.split()[0] for line in units.splitlines() if line.strip())
    return failed(
        f"the system is {state}; failed units: {names or 'none'}",
        "`journalctl -u UNIT` on the machine says why",
    )


def _judge_kernel_boot(subject: Subject) -> Finding:
    """A container shows nothing of /boot: another machine has to."""
    boot = subject.kernel_boot or KernelBoot(is_known=False, trouble="it was not tried")
    where = describe_machine(boot.machine)
    if not boot.is_known:
        return unknown(
            "all units are up, and the bake changed /boot, which was not booted from:"
            f" {boot.trouble}",
            "verify it on a machine that boots a kernel: on EC2, or in a local cloud of"
            " `amikiln cloud up --machines emulated`",
        )
    if boot.state != "running":
        said = boot.trouble or f"the system is {boot.state or 'silent'} on {where}"
        return failed(
            f"all units are up in a container, but not with the image's own kernel: {said}",
            "the bake changed /boot: what is in it, and does a machine of the image log on its"
            " console why it does not boot?",
        )
    return passed(f"all units are up, also on {where}, which booted the kernel of the new /boot")


def docker_as_baked(subject: Subject) -> Finding:
    """Docker is up, asks the mirrors, and has its data where the bake put it: elsewhere is none."""
    bound = subject.plan.spec.verify.builder_up_seconds
    subject.ask(f"{wait_until('docker info', bound)} || true", timeout_seconds=bound + 60)
    found = subject.ask_job(DOCKER_FACTS).split()
    baked = subject.read_manifest()["docker_store"]
    store, mirrors = found[:2], [url.rstrip("/") for url in found[2:]]
    wanted = list_docker_mirrors(subject.plan.spec)
    finding = compare(
        # Mirrors that the source image has may come after those of the spec.
        [*store, *mirrors[: len(wanted)]],
        [baked["driver"], baked["data_root"], *wanted],
        "Docker's storage driver, data root and mirrors",
    )
    fleet = subject.plan.spec.fleet
    moved_by = [name for name in MOVING_KEYS if getattr(fleet, name)]
    if finding.outcome is Outcome.FAIL and moved_by:
        keys = ", ".join(f"{name} ({MOVING_KEYS[name]})" for name in moved_by)
        return failed(
            finding.evidence,
            f"the fleet's boot moves Docker's data away from what was baked: switch off {keys} for"
            " the fleet and in image.toml",
        )
    return finding


def room_on_disk(subject: Subject) -> Finding:
    """A job can pull or load what is largest, and the fleet's clean-up still prunes nothing."""
    largest_gib, what = _find_largest(subject)
    free_gib, free_inodes = measure_free(subject)
    wanted = subject.plan.spec.verify
    wanted_gib = wanted.minimum_free_gib + largest_gib
    evidence = (
        f"{free_gib:.1f} GiB and {free_inodes} inodes are free; wanted:"
        f" {wanted.minimum_free_gib} GiB and {wanted.minimum_free_inodes} inodes, and"
        f" {largest_gib:.1f} GiB for {what} beside it"
    )
    if free_gib >= wanted_gib and free_inodes >= wanted.minimum_free_inodes:
        return passed(evidence)
    return failed(evidence, "raise volume.size_gib, or put less into the image")


def measure_free(subject: Subject) -> tuple[float, int]:
    """Return how many GiB and inodes are free where Docker keeps its data."""
    root = shlex.quote(str(subject.read_manifest()["docker_store"]["data_root"]))
    kib, inodes = (
        int(subject.ask(f"df -k --output={column} {root} | tail -n 1"))
        for column in ("avail", "iavail")
    )
    return kib / GIB_IN_KIB, inodes


def _find_largest(subject: Subject) -> tuple[float, str]:
    """Return the size in GiB of the largest listed image, and its name.

    What the warm build gives is measured and compared by builds-are-warm.
    """
    images = subject.read_manifest()["images"]
    sizes = {name: facts["size"] for name, facts in images.items()}
    if not sizes:
        return 0.0, "no image"
    largest = max(sizes, key=lambda name: sizes[name])
    return sizes[largest] / BYTES_IN_GIB, largest
