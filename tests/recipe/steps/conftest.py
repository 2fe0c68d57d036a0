"""A root folder with a Docker that only pretends."""

from __future__ import annotations

import pytest

from recipe.jobs import RECORD
from recipe.root_folder import OWNER, RootFolder

BUILDKIT = {"builder": "baked-vllm-builder", "owner": OWNER}

# Answers as Docker does.
DOCKER = """
case "$*" in
"version --format {{.Server.Version}}") echo "${DOCKER_VERSION:-26.1.5+dfsg1}" ;;
"version --format {{json .Server}}") echo '{"Version":"26.1.5"}' ;;
"buildx version")
    [ -e /state/no-buildx ] || echo "github.com/docker/buildx v${BUILDX_VERSION:-0.13.1} 0abc"
    [ ! -e /state/no-buildx ] ;;
"info --format"*) echo '{"driver":"overlay2","data_root":"/var/lib/docker"}' ;;
"buildx rm"*) rm -f /state/container ;;
"buildx create"*) touch /state/container; echo "home $HOME in $PWD" >>"$CALLS" ;;
"inspect buildx_buildkit_"*) [ -e /state/container ] ;;
"inspect --format {{range .Mounts}}"*) echo /var/lib/docker/volumes/state/_data ;;
"inspect --format {{.State.ExitCode}}"*) echo "${EXIT_CODE:-0}" ;;
"inspect --format"*) echo "running, restart always, network host" ;;
"exec "*" buildctl du "*) printf '4096\n-1\n8192\n\n' ;;
"exec "*) echo "buildkitd github.com/moby/buildkit v0.26.3 0abc" ;;
"image inspect"*) echo '{"id":"sha256:1","size":5}' ;;
"pull "*)
    echo begun >>/state/pulls
    [ "$(wc -l </state/pulls)" -gt "${PULLS_THAT_FAIL:-0}" ] || { echo "no route" >&2; exit 1; }
    ;;
esac
"""


@pytest.fixture
def docker(root: RootFolder) -> RootFolder:
    root.fake_program("docker", DOCKER)
    root.plan_changes = {"buildkit": BUILDKIT}
    return root


@pytest.fixture
def jobs(docker: RootFolder) -> RootFolder:
    """Return a root folder with an agent's folder of hooks, and a builder's record to be baked."""
    docker.put("record", RECORD + "\n")
    docker.put("etc/buildkite-agent/hooks/environment-values", "export FROM_HOOK=yes\n")
    return docker
