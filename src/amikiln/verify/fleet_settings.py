"""The changes that the fleet's machines make to Docker at boot, made on the machine to verify.

As the Elastic CI Stack's bk-configure-docker.sh does it:
https://github.com/buildkite/elastic-ci-stack-for-aws/blob/main/packer/linux/stack/conf/bin/bk-configure-docker.sh
"""

from __future__ import annotations

import json
import shlex

from amikiln.model.plan import Plan
from amikiln.runtime.guest import Guest

INSTANCE_STORAGE = "/mnt/ephemeral/docker"
DAEMON_JSON = "/etc/docker/daemon.json"
COMMAND_SECONDS = 300


def apply_fleet_settings(plan: Plan, guest: Guest) -> None:
    """Configure a machine's Docker as the spec says the fleet does; by default nothing changes.

    Args:
        plan: Its spec's ``[fleet]`` has the settings.
        guest: A machine that was booted from the image.

    Raises:
        GuestCommandFailed: Docker does not start with these settings.
        ValueError: daemon.json cannot be read.
    """
    fleet, owner = plan.spec.fleet, plan.spec.buildkit.owner
    changes: dict[str, str] = {}
    commands: list[str] = []
    if fleet.instance_storage:
        changes["data-root"] = INSTANCE_STORAGE
        commands.append(f"mkdir -p {INSTANCE_STORAGE}")
    if fleet.user_namespace_remap:
        changes["userns-remap"] = owner
        for kind, file in (("u", "/etc/subuid"), ("g", "/etc/subgid")):
            commands.append(
                f'printf "%s:%s:1\\n%s:100000:65536\\n" {owner} "$(id -{kind} {owner})" {owner}'
                f" >{file}"
            )
    if not changes:
        return
    text = guest.run(f"cat {DAEMON_JSON} 2>/dev/null || true", timeout_seconds=COMMAND_SECONDS)
    settings = json.loads(text or "{}") | changes
    commands += [f"printf %s {shlex.quote(json.dumps(settings))} >{DAEMON_JSON}"]
    commands += ["systemctl restart docker.service"]
    guest.run(" && ".join(commands), timeout_seconds=COMMAND_SECONDS)
