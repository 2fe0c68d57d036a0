"""Registries as they are: one that wants a login, and one that stands in for Docker Hub."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipe_context import Repository, git
from vm.local_cloud import ALONE, IMAGE_DIRECTORY, LocalCloud

pytestmark = pytest.mark.vm

HTPASSWD = "ci:$2b$04$rpjXe7O7SvO0vLc4BtH6..dDUbGlc29dSYB54aRLcT1EDliM2tTa6\n"
PASSWORD = "hunter2"
LOGIN = """
[local.docker.logins]
"registry.amikiln.internal" = { username = "ci", secret = "token" }
"""
MIRROR = """
[local.mirrors]
"docker.io" = ["registry.amikiln.internal"]
"""
# git takes no local files for submodules unless its user says so.
LOCAL_SUBMODULES = {
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "protocol.file.allow",
    "GIT_CONFIG_VALUE_0": "always",
}
CI_IMAGE = "q9t5s3a7/vllm-ci-postmerge-repo:latest"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A cloud whose registry wants a login."""
    cloud = LocalCloud(tmp_path_factory.mktemp("registries"))
    want_login(cloud, True)
    yield cloud
    cloud.amikiln("cloud", "down")


def want_login(cloud: LocalCloud, wanted: bool) -> None:
    cloud.amikiln("cloud", "down")
    file = cloud.home.registry / "htpasswd"
    if wanted:
        file.write_text(HTPASSWD)
    else:
        file.unlink()
    cloud.amikiln("cloud", "up")


def copy_image(folder: Path, more: str) -> Path:
    """Return images/cpu-build with more in its spec."""
    image = folder / "cpu-build"
    shutil.copytree(IMAGE_DIRECTORY, image)
    spec = image / "image.toml"
    spec.write_text(f"{spec.read_text()}\n{more}")
    return image


def run(cloud: LocalCloud, image: Path, password: str) -> subprocess.CompletedProcess[str]:
    reading, writing = os.pipe()
    os.write(writing, json.dumps({"token": password}).encode())
    os.close(writing)
    words = ["run", str(image), "--local", *ALONE, "--secrets-fd", str(reading)]
    try:
        return subprocess.run(
            [sys.executable, "-m", "amikiln", *words],
            env=cloud.environment,
            pass_fds=[reading],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.close(reading)


def test_without_a_login_the_plan_fails_and_nothing_is_launched(cloud: LocalCloud) -> None:
    done = cloud.amikiln_may_fail("run", IMAGE_DIRECTORY, "--local", *ALONE)
    assert done.returncode == 3
    assert "no digest for registry.amikiln.internal/" in done.stderr
    assert "[docker.logins]" in done.stderr
    assert "--- bake" not in done.stderr


def test_with_a_login_images_builder_and_warm_build_are_pulled(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    image = copy_image(tmp_path, LOGIN)
    refused = run(cloud, image, "another")
    assert refused.returncode == 3
    assert "another" not in refused.stderr
    done = run(cloud, image, PASSWORD)
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stderr + done.stdout


def make_repositories(place: Path) -> str:
    """Make the warm build's folder a repository whose build also needs a submodule; its context."""
    library = Repository(place / "library")
    library.commit({"answer.lua": "print(42)\n"})
    build = Repository(place / "build")
    for file in (IMAGE_DIRECTORY / "warm").iterdir():
        shutil.copy(file, build.place)
    commands = "COPY library /tmp/library\nRUN lua /tmp/library/answer.lua\n"
    with (build.place / "Dockerfile").open("a") as file:
        file.write(commands)
    git(
        build.place, *("-c", "protocol.file.allow=always"), "submodule", "add", "../library",
        "library",
    )  # fmt: skip
    build.commit({})
    return f"{build.url}#main"


def test_a_mirror_gives_what_docker_hub_would_and_a_commit_is_built_with_its_submodule(
    cloud: LocalCloud, tmp_path: Path
) -> None:
    want_login(cloud, False)
    image = copy_image(tmp_path, MIRROR)
    cloud.environment |= LOCAL_SUBMODULES
    done = cloud.amikiln(
        "run",
        image,
        "--local",
        "--json",
        *ALONE,
        *("--set", f"warm.context={make_repositories(tmp_path)}"),
        *("--set", f'docker.images=["{CI_IMAGE}"]'),
        *("--set", "buildkit.image=moby/buildkit:v0.26.3"),
    )
    assert "15-mirrors" in done.stderr
    cycle = json.loads(done.stdout)["cycle"]
    checks = {check["name"]: check for check in cycle["verdict"]["checks"]}
    assert {check["outcome"] for check in checks.values()} == {"pass"}
    # 17 steps are the folder's own.
    assert checks["checkouts-match"]["figures"]["hits"] >= 19
