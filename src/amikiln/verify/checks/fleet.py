"""The fleet's boot: what its machines run before the first job runs here, too.

An Elastic CI Stack's user data runs two scripts of the image: they mount the machine's own disks,
configure Docker, start it again, and enable units that clean up. The third one of it starts the
agent and reports to the stack: that one, the bootstrap script and lifecycled never run here.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from amikiln.recipe.paths import RECIPE_DIRECTORY
from amikiln.runtime.guest import GuestCommandFailed
from amikiln.spec import stack_boot
from amikiln.verify.checks.finding import Finding, Subject, failed, passed
from amikiln.verify.fleet_settings import apply_fleet_settings

SCRIPTS = (stack_boot.MOUNT_SCRIPT, stack_boot.DOCKER_SCRIPT)
"""In the order in which the stack's user data has them."""

BETWEEN_SECONDS = 60
"""For the login, and for a script that does not end when it is told to."""

STOPPED = ("124", "137")
"""timeout(1)'s exit codes when time ran out."""

HOOK = "/etc/buildkite-agent/hooks/environment"

JOB_FUNCTIONS = """\
set_always() { declare -gx "$1=$2"; }
set_unless_present() { [[ -v $1 ]] || declare -gx "$1=$2"; }
"""
"""What the stack's environment hook expects its file to define."""


def boot_as_fleet(subject: Subject) -> Finding:
    """The image's boot scripts run through, with the environment that the fleet gives them."""
    # User data runs when all else is up, however that went: boot-finished says how.
    subject.ask("systemctl is-system-running --wait || true")
    ran = []
    for name in SCRIPTS:
        answer = _run_script(subject, name)
        if answer == "absent":
            continue
        first, _, output = answer.partition("\n")
        code = first.removeprefix("exit ")
        if not code.isdecimal():
            raise ValueError(f"not an exit code: {first!r}")
        if code != "0":
            return _describe_failure(subject, name, code, output)
        ran.append(name)
    if ran:
        _write_job_environment(subject)
        return passed(f"ran {' and '.join(ran)}, as the fleet's machines do")
    try:
        apply_fleet_settings(subject.plan, subject.guest)
    except GuestCommandFailed as error:
        return failed(
            f"Docker does not start with the fleet's settings: {error.tail.strip()}",
            "correct [fleet] in image.toml, or what the image has in /etc/docker/daemon.json",
        )
    return passed("the image has no boot scripts; Docker has the settings of [fleet]")


def _run_script(subject: Subject, name: str) -> str:
    seconds = subject.plan.spec.deadlines.boot_seconds
    environment = stack_boot.list_environment(subject.plan.spec.fleet, name)
    words = [str(seconds), name, *(f"{key}={value}" for key, value in environment.items())]
    return subject.ask(
        f"cd {RECIPE_DIRECTORY} && exec sh -eu fleet.sh boot {shlex.join(words)}",
        timeout_seconds=seconds + BETWEEN_SECONDS,
    )


def _describe_failure(subject: Subject, name: str, code: str, output: str) -> Finding:
    seconds = subject.plan.spec.deadlines.boot_seconds
    how = f"did not end within {seconds} s" if code in STOPPED else f"exited with {code}"
    return failed(
        f"{name} {how}: {output.strip() or 'it wrote nothing'}",
        "each machine of the fleet runs it at boot, and the stack's machines power off if it fails:"
        " see /var/log/elastic-stack.log",
    )


def _write_job_environment(subject: Subject) -> None:
    """Write what the stack's environment hook reads first; its install script does on the fleet."""
    owner = shlex.quote(subject.plan.spec.buildkit.owner)
    subject.guest.run(
        f"if grep -qs cfn-env {HOOK}; then\n"
        f'    file="$(getent passwd {owner} | cut -d: -f6)/cfn-env"\n'
        f'    cat >"$file" && chown root:"$(id -g {owner})" "$file" && chmod 0640 "$file"\n'
        "fi",
        input=render_job_environment(subject).encode(),
        timeout_seconds=subject.plan.spec.deadlines.check_seconds,
    )


def render_job_environment(subject: Subject) -> str:
    """Return the file of variables that the stack's environment hook reads, for bash.

    As on a machine whose stack has no secrets bucket and no right to ECR, like verify's own. No job
    may end this machine.
    """
    spec = subject.plan.spec
    fleet = stack_boot.list_environment(spec.fleet)
    values: Mapping[str, str] = {
        **fleet,
        "BUILDKITE_AGENTS_PER_INSTANCE": "1",
        "BUILDKITE_STACK_NAME": spec.name,
        "BUILDKITE_STACK_VERSION": spec.source.stack_version or "",
        "BUILDKITE_DOCKER_EXPERIMENTAL": fleet["DOCKER_EXPERIMENTAL"],
        "BUILDKITE_ECR_POLICY": "none",
        "BUILDKITE_SECRETS_BUCKET": "",
        "BUILDKITE_SECRETS_BUCKET_REGION": "",
        "BUILDKITE_TERMINATE_INSTANCE_AFTER_JOB": "false",
        "BUILDKITE_TERMINATE_INSTANCE_ON_DISK_FULL": "false",
        "ECR_CREDENTIAL_HELPER_ENABLED": "false",
        "PLUGINS_ENABLED": "secrets ecr docker-login",
        "AWS_REGION": spec.region,
        "AWS_DEFAULT_REGION": spec.region,
    }
    lines = [f"set_always {name} {shlex.quote(value)}\n" for name, value in values.items()]
    return JOB_FUNCTIONS + "".join(lines)
