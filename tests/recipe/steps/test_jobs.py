"""86-jobs: whatever the agent's environment hook is like, each job finds the builder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recipe.root_folder import ADD_OWNER, OWNER, RootFolder

HOOKS = Path(__file__).parent.parent.parent / "cases" / "hooks"
HOOK = "/etc/buildkite-agent/hooks/environment"
BUILDER = "baked-vllm-builder"
RECORD = json.dumps({"Name": BUILDER, "Driver": "remote"})
INSTANCES = f"/home/{OWNER}/.docker/buildx/instances"
MAKE_RECORD = f"mkdir -p {INSTANCES} && cat /record >{INSTANCES}/{BUILDER}"
BEFORE = f'{ADD_OWNER}; runuser -u {OWNER} -- sh -c "{MAKE_RECORD}"'
JOB = ". ./lib.sh; as_job sh -c"
# Prints what hooks exported, and the buildx directory as docker finds it.
LOOK = (
    'folder=${BUILDX_CONFIG:-${DOCKER_CONFIG:-$HOME/.docker}/buildx}; echo "${FROM_HOOK:-}";'
    f" cat $folder/instances/{BUILDER} $folder/current; echo; cat $folder/defaults/*; echo;"
    ' env | grep -E "^(BUILDX_BUILDER|amikiln)" || true'
)
CURRENT = json.dumps(
    {"Key": "unix:///var/run/docker.sock", "Name": BUILDER, "Global": False}, separators=(",", ":")
)
FOUND = [RECORD, CURRENT, BUILDER * 2]


@pytest.fixture
def jobs(docker: RootFolder) -> RootFolder:
    docker.put("record", RECORD + "\n")
    docker.put("etc/buildkite-agent/hooks/environment-values", "export FROM_HOOK=yes\n")
    return docker


@pytest.mark.parametrize("case", sorted(path.stem for path in HOOKS.glob("*.hook")))
def test_a_job_finds_the_builder_whatever_the_hook_is_like(case: str, jobs: RootFolder) -> None:
    text = (HOOKS / f"{case}.hook").read_text()
    jobs.put(HOOK[1:], text, 0o755)
    stat = f"stat -c '%a %U %i' {HOOK} >>/state/stat; cat {HOOK} >>/state/hook"
    first, second = jobs.run(
        "86-jobs",
        before=f"{BEFORE}; chown {OWNER} {HOOK}; {stat}",
        times=2,
        after=f"({JOB} '{LOOK}' 2>/dev/null); {stat}; echo =; cat /state/stat; cat {HOOK}",
    )
    assert (first.exit_code, second.exit_code) == (0, 0), first.said + second.said
    assert f"{HOOK} gives jobs the builder already" in second.said
    job, _, hook = jobs.left.partition("=\n")
    # What a hook that exits has exported, the agent does not take over.
    exported = "" if case in {"exits-early", "empty"} else "yes"
    assert job.splitlines() == [exported, *FOUND]
    before, after, *hook_lines = hook.splitlines()
    assert before == after
    assert before.startswith(f"755 {OWNER} ")
    # Its own lines are there, behind what was added.
    own = text.splitlines()
    assert (
        hook_lines[len(hook_lines) - len(own) + text.startswith("#!") :]
        == own[text.startswith("#!") :]
    )


def test_where_there_is_no_hook_one_is_made_for_the_agent_that_comes(jobs: RootFolder) -> None:
    before = f"{BEFORE}; rm -r /etc/buildkite-agent"
    first, second = jobs.run(
        "86-jobs",
        before=before,
        times=2,
        after=f"({JOB} '{LOOK}'); stat -c '%a %U' {HOOK}",
    )
    assert (first.exit_code, second.exit_code) == (0, 0), first.said + second.said
    assert jobs.left.splitlines() == ["", *FOUND, "755 root"]
    assert "already" in second.said
