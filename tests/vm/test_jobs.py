"""Jobs on a machine of the image, as an agent like the Elastic CI Stack's runs them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amikiln.recipe import render
from amikiln.recipe.paths import RECIPE_DIRECTORY
from fakes import plan
from vm.local_cloud import LocalCloud
from vm.planting import Planter, planter
from vm.programs import compile_program

pytestmark = [pytest.mark.vm, pytest.mark.timeout(3600)]

CASES = Path(__file__).parent.parent / "cases"
HOOKS = "/etc/buildkite-agent/hooks"
HOOK = f"{HOOKS}/environment"
BAKED = "baked-vllm-builder"
AGENT = "/usr/local/bin/buildkite-agent"
UNIT = f"""
[Unit]
Description=Buildkite Agent
[Service]
User=buildkite-agent
Environment="HOME=/var/lib/buildkite-agent" \\
    "PATH=/usr/local/bin:/usr/bin"
Environment="TMPDIR=/var/tmp"
EnvironmentFile=-/var/lib/buildkite-agent/env
ExecStart={AGENT} start
ExecStopPost=/usr/local/bin/terminate-instance
UMask=0027
LimitNOFILE=4096
PrivateTmp=yes
Restart=on-failure
"""
CONTEXT = "/var/lib/buildkite-agent/context"
MAKE_CONTEXT = (
    f"mkdir -p {CONTEXT}; date >{CONTEXT}/now;"
    f" printf 'FROM scratch\\nCOPY now /\\n' >{CONTEXT}/Dockerfile"
)
BUILD = f"docker buildx build --progress plain {CONTEXT} 2>&1"


class Agent:
    """An agent's machine: it has its unit and its hook, and the bake's step ran after that."""

    def __init__(self, machine: Planter, driver: str) -> None:
        self.machine = machine
        wanted = plan(buildkit={"builder": BAKED, "driver": driver})
        self.run(
            f"mkdir -p {RECIPE_DIRECTORY} && tar -x -C {RECIPE_DIRECTORY}",
            render.render_recipe(wanted).pack(),
        )
        self.run(
            f"cat >{HOOK} && chown buildkite-agent {HOOK} && rm {HOOKS}/pre-command",
            (CASES / "hooks" / "as-the-elastic-stack.hook").read_bytes(),
        )
        self.run("cat >/etc/systemd/system/buildkite-agent.service", UNIT.encode())
        self.run("systemctl daemon-reload")
        self.run(f"cd {RECIPE_DIRECTORY} && sh -eu steps/86-jobs.sh")

    def run(self, command: str, input: bytes | None = None) -> str:
        return self.machine.run(command, input=input)

    def job(self, command: str) -> str:
        """Run a command as a job, and return what it wrote."""
        return self.run(f"sh {RECIPE_DIRECTORY}/as-job.sh sh -euc {shlex.quote(command)}")

    def bootstrap(self, command: str) -> str:
        """Run a command as the real agent runs it."""
        words = {
            "job": "1",
            "repository": "/nowhere",
            "branch": "main",
            "commit": "HEAD",
            "build-path": "/var/lib/buildkite-agent/builds",
            "hooks-path": HOOKS,
            "organization": "o",
            "pipeline": "p",
            "pipeline-provider": "git",
            "agent": "a",
            "queue": "q",
            "phases": "command",
            "command": command,
        }
        options = [part for name, value in words.items() for part in (f"--{name}", value)]
        real = shlex.join([AGENT, "bootstrap", *options])
        without = "env -u AGENT_COMMAND_LINE -u JOB_WITH BUILDKITE_AGENT_ACCESS_TOKEN=of-no-use"
        call = f"in_agent_unit {without} {real} 2>&1"
        return self.run(f"cd {RECIPE_DIRECTORY} && sh -euc {shlex.quote(f'. ./lib.sh; {call}')}")


@pytest.fixture(scope="module", params=["docker-container", "systemd"])
def agent(request: pytest.FixtureRequest, local_cloud: LocalCloud) -> Iterator[Agent]:
    """A machine of an image of each driver."""
    driver: str = request.param
    run: dict[str, Any]
    if driver == "systemd":
        run = request.getfixturevalue("served_run")
    else:
        run = request.getfixturevalue("proven_run")["cycle"]
    with planter(local_cloud, run["image"]["id"]) as machine:
        yield Agent(machine, driver)


def test_a_job_builds_with_the_baked_builder_by_name_and_by_default(agent: Agent) -> None:
    named = agent.job(f"{MAKE_CONTEXT}; {BUILD} --builder {BAKED}")
    assert f'building with "{BAKED}" instance' in named
    assert "CACHED" not in named
    # The next job's build finds what the first one built: it is the same builder.
    unnamed = agent.job(BUILD)
    assert f'building with "{BAKED}" instance' in unnamed
    assert "CACHED" in unnamed


def test_a_job_with_a_builder_of_its_own_uses_that_beside_one_that_does_not(agent: Agent) -> None:
    image = json.loads(agent.run("cat /etc/amikiln/manifest.json"))["planned"]["buildkit"]
    process = f"cd {RECIPE_DIRECTORY} && sh -euc '. ./lib.sh; find_builder_process'"
    before = agent.run(process)
    own = (
        f"docker buildx create --name own --use --driver-opt image={image},network=host;"
        f" {BUILD}; {BUILD}; docker buildx rm own; docker buildx inspect"
    )
    beside = f"for each in 1 2 3 4; do {BUILD}; done"
    both = f"""
cd {RECIPE_DIRECTORY}
sh as-job.sh sh -euc {shlex.quote(own)} >/run/own 2>&1 &
sh as-job.sh sh -euc {shlex.quote(beside)} >/run/beside 2>&1 || echo failed
wait $! || echo failed
"""
    assert agent.run(both) == ""
    said = agent.run("cat /run/own")
    assert said.count('building with "own" instance using docker-container driver') == 2
    assert BAKED not in said.partition("own removed")[0]
    said = agent.run("cat /run/beside")
    assert said.count(f'building with "{BAKED}" instance') == 4
    assert agent.run(process) == before


def test_a_job_has_what_its_unit_gives(agent: Agent) -> None:
    seen = agent.job("umask; ulimit -n; id -un; id -nG; echo $PATH; ls /tmp; pwd; env")
    umask, files, user, groups, path, folder, *environment = seen.splitlines()
    assert (umask, files, user, path) == (
        "0027",
        "4096",
        "buildkite-agent",
        "/usr/local/bin:/usr/bin",
    )
    assert "docker" in groups.split()
    assert folder.startswith("/var/lib/buildkite-agent/builds/")
    variables = dict(line.split("=", 1) for line in environment if "=" in line)
    assert variables["FROM_HOOK"] == "yes"
    assert variables["DOCKER_CONFIG"].startswith("/var/tmp/")  # noqa: S108
    assert {"BUILDX_BUILDER", "BUILDX_CONFIG", "SSH_CONNECTION", "SUDO_USER"}.isdisjoint(variables)


def test_the_real_agent_gives_its_jobs_the_same(agent: Agent) -> None:
    program = compile_program("buildkite-agent")
    agent.run(f"cat >{AGENT} && chmod 755 {AGENT}", program.read_bytes())
    look = "docker buildx inspect; env"
    real, ours = agent.bootstrap(look), agent.job(look)
    for said in (real, ours):
        assert f"Name:          {BAKED}" in said or f"Name:   {BAKED}" in said
        assert "FROM_HOOK=yes" in said
        assert "amikiln: " not in said

    def names(said: str) -> set[str]:
        return set(re.findall(r"^([A-Z_]+)=", said, re.MULTILINE))

    # What jobs of the real agent have and ours lack is of no concern to docker.
    its_own = ("BUILDKITE", "GIT_", "TERM")
    assert not {name for name in names(real) - names(ours) if not name.startswith(its_own)}
