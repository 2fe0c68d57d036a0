"""What the tests of jobs share: the agent's hooks, and a job that looks for the builder."""

from __future__ import annotations

import json

from recipe.root_folder import ADD_OWNER, OWNER

HOOKS = "/etc/buildkite-agent/hooks"
HOOK = f"{HOOKS}/environment"
BUILDER = "baked-vllm-builder"
RECORD = json.dumps({"Name": BUILDER, "Driver": "remote"})
INSTANCES = f"/home/{OWNER}/.docker/buildx/instances"
MAKE_RECORD = f"mkdir -p {INSTANCES} && cat /record >{INSTANCES}/{BUILDER}"
BEFORE = f'{ADD_OWNER}; runuser -u {OWNER} -- sh -c "{MAKE_RECORD}"'
JOB = ". ./lib.sh; as_job sh -c"
LOOK = (
    'folder=${BUILDX_CONFIG:-${DOCKER_CONFIG:-$HOME/.docker}/buildx}; echo "${FROM_HOOK:-}";'
    f" cat $folder/instances/{BUILDER} $folder/current; echo; cat $folder/defaults/*; echo;"
    ' env | grep -E "^(BUILDX_BUILDER|amikiln)" || true'
)
"""Prints what hooks exported, and the buildx directory as docker finds it."""


def render_current(docker: str = "unix:///var/run/docker.sock") -> str:
    """Return buildx's file that says which builder is current for a Docker."""
    return f'{{"Key":"{docker}","Name":"{BUILDER}","Global":false}}'


FOUND = [RECORD, render_current(), BUILDER * 2]
"""What such a job prints, after what hooks exported."""
