"""What an Elastic CI Stack starts on its machines, and verify never does: it has to be there."""

from __future__ import annotations

import re

from amikiln.spec import stack_boot
from amikiln.verify.checks.finding import Finding, Subject, failed, passed

INSTALL_SCRIPT = "bk-install-elastic-stack.sh"
PROGRAMS = (
    INSTALL_SCRIPT,
    stack_boot.DOCKER_SCRIPT,
    stack_boot.MOUNT_SCRIPT,
    "bk-check-disk-space.sh",
    "lifecycled",
    "buildkite-agent-stable",
    "stop-agent-gracefully",
    "terminate-instance",
    # What the scripts themselves call.
    "aws",
    "curl",
    "jq",
)
UNITS = (
    "buildkite-agent.service",
    "lifecycled.service",
    "docker-low-disk-gc.service",
    "docker-low-disk-gc.timer",
    "docker-gc.timer",
)
"""The boot scripts start or enable them: one that is masked ends the boot with an error."""

MOUNT_SCRIPT_SINCE = (5, 7)
USER_DATA = r"""
if command -v cloud-init >/dev/null; then
    if [ -e /etc/cloud/cloud-init.disabled ]; then echo /etc/cloud/cloud-init.disabled; fi
    # Later releases of cloud-init call the other units otherwise.
    for unit in cloud-init-local.service cloud-init.service cloud-final.service; do
        case $unit:$(systemctl is-enabled "$unit" 2>/dev/null) in
        *:masked* | *:disabled | cloud-final.service: | cloud-final.service:not-found)
            echo "$unit is not enabled"
            ;;
        esac
    done
fi
"""
"""Prints what keeps user data, which starts all of it, from being run."""


def stack_complete(subject: Subject) -> Finding:
    """Where an Elastic CI Stack boots the image, all that it starts there is executable."""
    spec = subject.plan.spec
    if not spec.is_for_elastic_stack:
        return passed("no Elastic CI Stack boots this image (source.stack_version, [fleet])")
    programs = [name for name in PROGRAMS if _is_in(name, spec.source.stack_version)]
    states = subject.read_rows(f"sh -eu fleet.sh programs {' '.join(programs)}")
    faults = [
        f"{path or name} is {state}" for name, state, path in _pad(states) if state != "there"
    ]
    units = _pad(subject.read_rows(f"sh -eu fleet.sh units {' '.join(UNITS)}"))
    faults += [f"{name} is {state}" for name, state, _ in units if state != "loaded"]
    user = next(user for name, _, user in units if name == UNITS[0])
    if not faults and user != spec.buildkit.owner:
        faults.append(
            f"{UNITS[0]} runs jobs as {user or 'root'}, and the builder is {spec.buildkit.owner}'s"
        )
    if off := subject.ask(USER_DATA):
        faults.append(f"user data does not run: {', '.join(off.splitlines())}")
    if faults:
        return failed(
            "; ".join(faults),
            "an Elastic CI Stack's machine of this image takes no job: start from the stack's own"
            " image (source.stack_version), and see what a step of your own changes there",
        )
    return passed(f"{len(programs)} programs and {len(units)} units of the stack are there")


def _is_in(program: str, version: str | None) -> bool:
    """Whether a release of the stack has a program; of an unknown one, all are wanted."""
    if program != stack_boot.MOUNT_SCRIPT or version is None:
        return True
    major, minor = (int(number) for number in re.findall(r"\d+", version)[:2])
    return (major, minor) >= MOUNT_SCRIPT_SINCE


def _pad(rows: list[list[str]]) -> list[tuple[str, str, str]]:
    # The last column may be empty, and the output's last line is stripped.
    return [(row[0], row[1], row[2] if len(row) > 2 else "") for row in rows]
