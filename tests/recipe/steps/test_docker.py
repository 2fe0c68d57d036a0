"""10-docker and 20-owner: Docker is there, new enough, and its owner may use it."""

from __future__ import annotations

import pytest

from recipe.root_folder import OWNER, RootFolder


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
