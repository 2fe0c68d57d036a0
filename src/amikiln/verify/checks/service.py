"""The builder as a systemd service: what state it is in, and what it was started with."""

from __future__ import annotations

from amikiln.recipe.paths import BUILDKIT_PROGRAMS, BUILDKITD_TOML
from amikiln.verify.checks.finding import Finding, Subject, compare, wait_until

UNIT = "buildkit.service"

NOT_SHOWN = (
    "(its OOM score and open files are not shown: in a container both are limited by the host)"
)
"""Stands where the process's own limits would: a container machine has no CAP_SYS_RESOURCE."""

# What the kernel applies to the process, not only what the unit's file says.
QUERY = rf"""
show() {{ systemctl show --property="$1" --value {UNIT}; }}
pid=$(show MainPID)
echo "state $(show ActiveState)"
echo "at-boot $(show UnitFileState)"
echo "restart $(show Restart)"
echo "limits $(show OOMScoreAdjust) $(show LimitNOFILE)"
if [ "$pid" -gt 0 ]; then
    echo "program $(readlink /proc/$pid/exe)"
    echo "nice $(cut -d' ' -f19 /proc/$pid/stat)"
    if systemd-detect-virt --quiet --container; then
        echo "{NOT_SHOWN}"
    else
        echo "oom $(cat /proc/$pid/oom_score_adj)" \
            "files $(awk '/^Max open files/ {{ print $4 "/" $5 }}' /proc/$pid/limits)"
    fi
fi
echo "weight $(show CPUWeight)"
echo "image $(cat {BUILDKIT_PROGRAMS}/image)"
cd {BUILDKIT_PROGRAMS} && if sha256sum --check --status programs.sha256
then echo "programs as-baked"; else echo "programs changed"; fi
"""


class ConfigurationChanged(Exception):
    """The service runs with another configuration than the file has now."""


def check_service(subject: Subject) -> Finding:
    """The service runs again, from its own programs, with the properties it was baked with.

    Of a process in a container, only what its unit asks for is compared.
    """
    seconds = subject.plan.spec.verify.builder_up_seconds
    active = wait_until(f"systemctl is-active --quiet {UNIT}", seconds)
    found = subject.ask(f"{active} || true\n{QUERY}", timeout_seconds=seconds + 60).split("\n")
    wanted = [
        "state active",
        "at-boot enabled",
        "restart always",
        "limits -500 1048576",
        f"program {BUILDKIT_PROGRAMS}/bin/buildkitd",
        "nice 10",
        NOT_SHOWN if NOT_SHOWN in found else "oom -500 files 1048576/1048576",
        "weight 25",
        f"image {subject.plan.buildkit.by_digest}",
        "programs as-baked",
    ]
    return compare(found, wanted, UNIT)


def read_configuration(subject: Subject) -> str:
    """Return the configuration that the service was started with.

    Raises:
        ConfigurationChanged: It runs with another file, or the file has changed since it started.
    """
    facts = subject.ask(
        f"pid=$(systemctl show --property=MainPID --value {UNIT})\n"
        f"began=$(systemctl show --property=ExecMainStartTimestamp --value {UNIT})\n"
        f'printf "%s %s " "$(date -d "$began" +%s)" "$(stat -c %Z {BUILDKITD_TOML})"\n'
        "tr '\\0' ' ' </proc/$pid/cmdline"
    )
    began, changed, command_line = facts.split(maxsplit=2)
    if f"--config {BUILDKITD_TOML} " not in f"{command_line} ":
        raise ConfigurationChanged(f"{UNIT} runs with other options: {command_line}")
    if int(changed) > int(began):
        raise ConfigurationChanged(f"{BUILDKITD_TOML} was changed after {UNIT} had started")
    return subject.ask(f"cat {BUILDKITD_TOML}")
