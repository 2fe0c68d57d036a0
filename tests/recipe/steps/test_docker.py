"""10-docker and 20-owner: Docker is there, new enough, and its owner may use it."""

from __future__ import annotations

import hashlib

import pytest

from recipe.root_folder import OWNER, RootFolder
from recipe.steps.conftest import DOCKER


def test_docker_that_is_there_is_started_and_its_versions_told(docker: RootFolder) -> None:
    first, second = docker.run("10-docker", times=2)
    assert (first.exit_code, first.said) == (0, "Docker 26.1.5+dfsg1, buildx 0.13.1\n")
    assert "systemctl enable --quiet docker.service" in first.calls
    assert "systemctl start docker.service" in first.calls
    assert second == first


@pytest.mark.parametrize(
    ("variables", "fault"),
    [
        (
            {"DOCKER_VERSION": "20.10.25"},
            "Docker is 20.10.25, and docker.minimum_version is 24.0",
        ),
        (
            {"BUILDX_VERSION": "0.9.1"},
            "buildx is 0.9.1, and docker.minimum_buildx_version is 0.12",
        ),
    ],
)
def test_what_is_too_old_is_named_with_the_specs_key(
    docker: RootFolder, variables: dict[str, str], fault: str
) -> None:
    docker.variables = variables
    (ran,) = docker.run("10-docker")
    assert (ran.exit_code, ran.said) == (1, f"error: {fault}\n")


@pytest.mark.parametrize(
    ("offered", "installed"),
    [
        ("docker.io docker-cli docker-buildx", "docker.io docker-cli docker-buildx"),
        ("docker.io docker-buildx", "docker.io docker-buildx"),
    ],
    ids=["Debian 13", "Ubuntu 24.04"],
)
def test_apt_installs_what_its_release_has(
    docker: RootFolder, offered: str, installed: str
) -> None:
    docker.variables = {"OFFERED": offered}
    docker.fake_program("apt-cache", 'case " $OFFERED " in *" $2 "*) ;; *) exit 100 ;; esac')
    docker.fake_program(
        "apt-get", 'case "$*" in *install*) mv /fakes/.docker /fakes/docker ;; esac'
    )
    hide = "mv /fakes/docker /fakes/.docker; rm -f /usr/bin/docker /usr/bin/dnf"
    (ran,) = docker.run("10-docker", before=hide)
    assert ran.exit_code == 0, ran.said
    asked = [call for call in ran.calls if call.startswith("apt-get")]
    assert asked == [
        "apt-get update -qq",
        f"apt-get install -y -qq --no-install-recommends {installed}",
    ]


def test_dnf_installs_docker(docker: RootFolder) -> None:
    docker.fake_program("dnf", 'case "$*" in install*) mv /fakes/.docker /fakes/docker ;; esac')
    hide = "mv /fakes/docker /fakes/.docker; rm -f /usr/bin/docker"
    (ran,) = docker.run("10-docker", before=hide)
    assert ran.exit_code == 0, ran.said
    assert "dnf install -y -q docker" in ran.calls


def test_a_missing_buildx_is_installed_from_what_is_offered(docker: RootFolder) -> None:
    docker.fake_program(
        "dnf", 'case "$*" in *list*buildx-plugin) ;; *list*) exit 1 ;; *) rm /state/* ;; esac'
    )
    (ran,) = docker.run("10-docker", before="touch /state/no-buildx")
    assert ran.exit_code == 0, ran.said
    assert "dnf install -y -q docker-buildx-plugin" in ran.calls


def test_a_buildx_that_nobody_offers_is_a_fault(docker: RootFolder) -> None:
    docker.fake_program("dnf", "exit 1")
    (ran,) = docker.run("10-docker", before="touch /state/no-buildx")
    assert ran.exit_code == 1
    assert "no buildx plugin" in ran.said


def test_the_owner_is_made_once_and_may_talk_to_docker(docker: RootFolder) -> None:
    look = f"id -nG {OWNER}; getent passwd {OWNER} | cut -d: -f6,7"
    first, second = docker.run("20-owner", before="groupadd -f docker", times=2, after=look)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.said.startswith(f"user {OWNER} created\n")
    assert second.said == f"user {OWNER}: {OWNER} docker, home /var/lib/{OWNER}\n"
    assert docker.left == f"{OWNER} docker\n/var/lib/{OWNER}:/bin/bash\n"


RELEASE = '#!/bin/sh\necho "github.com/docker/buildx ${TOLD-v0.30.1} 9e66234"\n'
RELEASE_SHA256 = hashlib.sha256(RELEASE.encode()).hexdigest()
# As Docker does: a plugin in /usr/local stands before that of a package.
WITH_PLUGIN = """
plugin=/usr/local/lib/docker/cli-plugins/docker-buildx
if [ "$1" = buildx ] && [ -x $plugin ]; then exec $plugin "$@"; fi
"""


@pytest.fixture
def with_release(docker: RootFolder) -> RootFolder:
    docker.put("release", RELEASE)
    docker.fake_program("docker", WITH_PLUGIN + DOCKER)
    fetch = 'for last; do :; done; [ "$last" = https://host/buildx ]; cp /release buildx.new'
    docker.fake_program("curl", fetch)
    docker.plan_changes["docker"] = {
        "images": [],
        "buildx_url": "https://host/buildx",
        "buildx_sha256": RELEASE_SHA256,
    }
    return docker


@pytest.mark.parametrize("told", ["0.0.0+unknown", "0.11.2", ""])
def test_a_pinned_buildx_comes_where_the_machines_own_will_not_do(
    with_release: RootFolder, told: str
) -> None:
    with_release.variables = {"BUILDX_VERSION": told}
    if not told:
        with_release.variables = {}
    first, second = with_release.run(
        "10-docker", times=2, before="" if told else "touch /state/no-buildx"
    )
    assert first.exit_code == 0, first.said
    assert first.said.endswith("Docker 26.1.5+dfsg1, buildx 0.30.1 (docker.buildx_url)\n")
    assert second.said == "Docker 26.1.5+dfsg1, buildx 0.30.1\n"
    assert not [call for call in first.calls if call.startswith(("apt-get", "dnf"))]


def test_a_machines_own_buildx_that_is_new_enough_stays(with_release: RootFolder) -> None:
    (ran,) = with_release.run("10-docker")
    assert ran.said == "Docker 26.1.5+dfsg1, buildx 0.13.1\n"


def test_a_pinned_buildx_of_another_digest_is_refused(with_release: RootFolder) -> None:
    with_release.variables = {"BUILDX_VERSION": "0.11.2"}
    with_release.plan_changes["docker"]["buildx_sha256"] = "0" * 64
    (ran,) = with_release.run("10-docker", after="ls /usr/local/lib/docker/cli-plugins || true")
    assert ran.exit_code == 1
    assert f"has the SHA-256 {RELEASE_SHA256}, and docker.buildx_sha256 is 000" in ran.said
    assert "docker-buildx" not in with_release.left


def test_a_pinned_buildx_without_a_version_is_known_by_its_digest(with_release: RootFolder) -> None:
    with_release.variables = {"BUILDX_VERSION": "0.11.2", "TOLD": "v0.0.0+unknown"}
    (ran,) = with_release.run("10-docker")
    assert ran.said.endswith(f"buildx of SHA-256 {RELEASE_SHA256} (docker.buildx_url)\n")


@pytest.mark.parametrize("told", ["0.0.0+unknown", "devel"])
def test_a_version_that_cannot_be_read_is_not_called_too_old(docker: RootFolder, told: str) -> None:
    docker.variables = {"BUILDX_VERSION": told}
    (ran,) = docker.run("10-docker")
    assert ran.exit_code == 1
    assert "cannot tell whether buildx is at least 0.12" in ran.said
    assert f"v{told} 0abc" in ran.said
    assert "docker.buildx_url" in ran.said
