"""The recipe's dnf branch, by a real dnf with a repository of its own.

Amazon Linux 2023 itself is not to be had here. Its package names are those of
https://docs.aws.amazon.com/linux/al2023/release-notes/all-packages-AL2023.html
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from amikiln.recipe import render
from amikiln.runtime import process
from amikiln.runtime.cache import compute_key, make_once
from amikiln.runtime.directories import cache_directory
from fakes import plan

PACKAGES = (
    "base-files,bash,coreutils,createrepo-c,dash,dnf,findutils,gawk,grep,passwd,rpm,sed,util-linux"
)
SUITE = "trixie"

# A package of one program; what it does is for the test alone.
SPEC = """
Name: {name}
Version: 25.0.8
Release: 1.amzn2023
Summary: stands for the real one
License: none
BuildArch: noarch
AutoReqProv: no
%description
%install
mkdir -p %{{buildroot}}{folder}
cat >%{{buildroot}}{folder}/{name} <<'END'
{program}
END
chmod 755 %{{buildroot}}{folder}/{name}
%files
{folder}/{name}
"""
DOCKER = """#!/bin/sh
case "$*" in
"buildx version")
    [ -x /usr/libexec/docker/cli-plugins/docker-buildx ] || exit 1
    echo github.com/docker/buildx v0.12.1 0
    ;;
version*) echo 25.0.8 ;;
esac"""
ENTER = """
set -eu
mount -t tmpfs tmpfs "$2"
mkdir "$2/written" "$2/work" "$2/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/written,workdir=$2/work" "$2/root"
mkdir -p "$2/root/proc" "$2/root/dev" "$2/root/tests"
mount --rbind /dev "$2/root/dev"
mount -t proc proc "$2/root/proc"
mount --bind "$3" "$2/root/tests"
exec chroot "$2/root" sh -eu /tests/script
"""
SCRIPT = """
export HOME=/root LC_ALL=C.UTF-8
for spec in /tests/specs/*; do
    rpmbuild -bb --quiet --define "_rpmdir /repository" "$spec" >/dev/null 2>&1
done
createrepo_c --quiet /repository
mkdir -p /etc/yum.repos.d /fakes
cat >/etc/yum.repos.d/tests.repo <<'END'
[tests]
name=tests
baseurl=file:///repository
gpgcheck=0
END
printf '#!/bin/sh\\n' >/fakes/systemctl
chmod 755 /fakes/systemctl
PATH=/fakes:$PATH
cd /tests/recipe
"""


class DnfMachine:
    """A root folder with dnf and no apt."""

    def __init__(self, base: Path, place: Path) -> None:
        self._base = base
        self._place = place
        for path, content in render.render_recipe(plan()).files.items():
            self.put(f"recipe/{path}", content.decode())

    def put(self, path: str, content: str) -> None:
        file = self._place / "tests" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def offer(self, name: str, folder: str, program: str) -> None:
        """Put a package into the machine's only repository."""
        self.put(f"specs/{name}.spec", SPEC.format(name=name, folder=folder, program=program))

    def run(self, commands: str) -> subprocess.CompletedProcess[str]:
        self.put("script", SCRIPT + commands)
        (self._place / "mount").mkdir(exist_ok=True)
        where = [str(self._base), str(self._place / "mount"), str(self._place / "tests")]
        apart = ["unshare", "--mount", "--pid", "--fork", "--propagation", "private"]
        return subprocess.run(
            [*apart, "sh", "-c", ENTER, "sh", *where],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> DnfMachine:
    if os.geteuid() != 0:
        pytest.skip("not run: a throwaway root folder is mounted by root")

    def make(folder: Path) -> None:
        command = ["mmdebstrap", "--quiet", "--variant=extract", f"--include={PACKAGES}"]
        process.run([*command, SUITE, str(folder / "root")], timeout_seconds=600)

    base = make_once(cache_directory() / f"dnf-root-{compute_key(PACKAGES, SUITE)}", make)
    found = DnfMachine(base / "root", tmp_path)
    found.offer("docker", "/usr/bin", DOCKER)
    return found


def test_docker_and_buildx_are_installed_where_they_are_offered(machine: DnfMachine) -> None:
    machine.offer("docker-buildx", "/usr/libexec/docker/cli-plugins", "#!/bin/sh")
    done = machine.run("sh -eu steps/10-docker.sh\nsh -eu steps/10-docker.sh\nrpm -q docker")
    assert done.returncode == 0, done.stdout
    said = done.stdout.splitlines()
    assert said.count("installing Docker") == 1
    assert said.count("installing buildx") == 1
    assert said.count("Docker 25.0.8, buildx 0.12.1") == 2
    assert said[-1] == "docker-25.0.8-1.amzn2023.noarch"


def test_buildx_that_nobody_offers_is_an_error_that_says_so(machine: DnfMachine) -> None:
    done = machine.run("sh -eu steps/10-docker.sh")
    assert done.returncode == 1
    assert "error: docker has no buildx plugin, and no package repository offers one" in done.stdout


def test_the_manifest_lists_packages_by_rpm_and_the_caches_go(machine: DnfMachine) -> None:
    machine.offer("docker-buildx", "/usr/libexec/docker/cli-plugins", "#!/bin/sh")
    done = machine.run(
        "sh -eu steps/10-docker.sh >/dev/null\n"
        "rm -f /usr/bin/dpkg-query\n"
        "sh -eu -c '. ./lib.sh; list_packages'\n"
        "echo caches; find /var/cache/dnf -type f | head -n 1\n"
        "dnf clean all -q; rm -rf /var/cache/dnf/*; find /var/cache/dnf -type f | wc -l"
    )
    assert done.returncode == 0, done.stdout
    said = done.stdout.splitlines()
    assert "docker 25.0.8-1.amzn2023" in said
    assert said[said.index("caches") + 1].startswith("/var/cache/dnf/")
    assert said[-1] == "0"
