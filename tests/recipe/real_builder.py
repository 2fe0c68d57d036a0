"""A real BuildKit, buildx and a registry in a throwaway root folder: no Docker and no machine.

The registry is on another host, as far as the folder can see: in a network namespace of its own.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from amikiln.recipe.paths import CONTEXT_DIRECTORY, SECRETS_DIRECTORY
from amikiln.runtime.cache import make_once
from amikiln.runtime.directories import cache_directory
from amikiln.runtime.progress import PlainReporter
from amikiln_localcloud.registry import images
from recipe.root_folder import ADD_OWNER, OWNER, Ran, RootFolder

REGISTRY = "10.9.9.2:5000"
BASE = f"{REGISTRY}/base:1"

# "docker" is buildx, and buildctl in the builder. A job is a process of the owner's, as where there
# is no agent.
DOCKER = """#!/bin/sh
case "$1 $3" in
buildx*) shift; exec /buildx "$@" ;;
"exec buildctl") shift 3; exec chroot /buildkit /usr/bin/buildctl --addr unix:///run/bk.sock "$@" ;;
esac
"""
SYSTEMD_RUN = f"""#!/bin/sh
while [ "${{1#--}}" != "$1" ]; do shift; done
exec runuser -u {OWNER} -- env HOME=/home/{OWNER} "$@"
"""
HOOK = f"export BUILDX_CONFIG=/home/{OWNER}/.docker/buildx\n"

GIVE_SECRET = "mkdir -p /run/amikiln-secrets; echo shh >/run/amikiln-secrets/token"

# BuildKit's image as a root folder in this one, with a fresh state each time.
START = r"""
buildkitd_up() { # STATE
    chroot /buildkit /usr/bin/buildkitd --root "/run/$1" --config /run/buildkitd.toml \
        --addr unix:///run/bk.sock >/results/buildkitd.log 2>&1 &
    buildkitd=$!
    until buildctl du >/dev/null 2>&1; do sleep 0.05; done
    chmod 666 /buildkit/run/bk.sock
}
buildkitd_down() { kill "$buildkitd"; wait "$buildkitd" || true; }
buildctl() { chroot /buildkit /usr/bin/buildctl --addr unix:///run/bk.sock "$@"; }
registry_up() {
    ip netns exec registry docker-registry serve /registry.json >/results/registry.log 2>&1 &
    registry=$!
    until curl -fs "http://REGISTRY/v2/" >/dev/null; do sleep 0.05; done
}
registry_down() { kill "$registry"; wait "$registry" || true; }

# BuildKit's public image has git, which asks for repositories; the one that is made here has none.
add_git() {
    mkdir /run/over /run/work
    mount -t overlay overlay -o lowerdir=/buildkit,upperdir=/run/over,workdir=/run/work /buildkit
    cp /usr/bin/git /buildkit/usr/bin/
    ln -s git /buildkit/usr/bin/git-upload-pack
    install /dev/null /buildkit/usr/bin/git-submodule
    echo '#!/bin/sh' >/buildkit/usr/bin/git-submodule
    for library in $(ldd /usr/bin/git | grep -oE '/[^ ]*/lib(pcre2|z)[^ ]*'); do
        cp "$library" /buildkit/usr/lib/x86_64-linux-gnu/
    done
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
add_git
for place in proc sys dev; do mount --rbind "/$place" "/buildkit/$place"; done
for place in run tmp; do mount -t tmpfs tmpfs "/buildkit/$place"; done
cp buildkitd.toml /buildkit/run/
mkdir /run/netns
ip link set lo up
ip netns add registry
ip link add here type veth peer name there netns registry
ip address add 10.9.9.1/24 dev here
ip link set here up
ip -n registry address add 10.9.9.2/24 dev there
ip -n registry link set there up
ip -n registry link set lo up
registry_up
skopeo --insecure-policy copy --quiet --dest-tls-verify=false oci:/base:v1 docker://BASE
. ./lib.sh
trap - EXIT
"""


@dataclass
class RealBuilder(RootFolder):
    """What the recipe's warm build does with real programs.

    Attributes:
        buildx: The program to use.
        context: Files of the build's context.
        seed: What runs in the context as the owner with another store, before the bake.
    """

    buildx: Path = Path()
    context: dict[str, str] = field(default_factory=dict)
    seed: str = ""

    def bake(self, *, before: str = "", after: str = "") -> Ran:
        """Bake with a fresh store.

        Args:
            before: Shell commands that come right before it.
            after: Shell commands that look at what it left.
        """
        self.apart = ("--net", "--pid", "--fork", "--kill-child")
        self.shown |= {"buildx": self.buildx, "buildkit": _unpack_buildkit(), "base": _base()}
        self.put("fakes/docker", DOCKER, 0o755)
        self.put("fakes/systemd-run", SYSTEMD_RUN, 0o755)
        self.put("etc/buildkite-agent/hooks/environment", HOOK, 0o755)
        self.put("registry.json", json.dumps(REGISTRY_SETTINGS))
        for path, content in self.context.items():
            self.put(f"var/tmp/amikiln-context/{path}", content)
        start = START.replace("REGISTRY", REGISTRY).replace("BASE", BASE)
        create = (
            "as_owner docker buildx create --name baked --driver remote"
            " unix:///buildkit/run/bk.sock >/dev/null"
        )
        owned = f"{CONTEXT_DIRECTORY} {SECRETS_DIRECTORY}"
        seed = f"BUILDX_BUILDER=baked sh -euc '{self.seed}' >/results/seed.log 2>&1"
        before = "\n".join(
            [
                ADD_OWNER,
                start,
                GIVE_SECRET,
                f'chown -R "$BUILDER_OWNER" {owned}',
                "buildkitd_up seed",
                create,
                f"as_owner env -C {CONTEXT_DIRECTORY} {seed}",
                "buildkitd_down",
                "buildkitd_up store",
                before,
            ]
        )
        (ran,) = self.run("50-warm", before=before, after=after)
        return ran


REGISTRY_SETTINGS = {
    "version": 0.1,
    "log": {"level": "error", "accesslog": {"disabled": True}},
    "storage": {"filesystem": {"rootdirectory": "/run/blobs"}},
    "http": {"addr": REGISTRY},
}


def _base() -> Path:
    return images.make_ci_image(1, cache_directory(), PlainReporter()).layout


def _unpack_buildkit() -> Path:
    """Return BuildKit's image as a folder."""
    layout = images.make_buildkit(cache_directory(), PlainReporter()).layout

    def unpack(folder: Path) -> None:
        manifest = _read_blob(
            layout, json.loads((layout / "index.json").read_text())["manifests"][0]
        )
        for layer in json.loads(manifest.read_text())["layers"]:
            subprocess.run(["tar", "-x", "-C", folder, "-f", _read_blob(layout, layer)], check=True)

    return make_once(layout.with_name(f"{layout.name}-unpacked"), unpack)


def _read_blob(layout: Path, described: dict[str, str]) -> Path:
    return layout / "blobs" / described["digest"].replace(":", "/")
