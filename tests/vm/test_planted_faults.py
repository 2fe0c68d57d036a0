"""What verify has to find, planted in images one by one: exactly these checks do not pass."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from vm.local_cloud import IMAGE_DIRECTORY, LocalCloud
from vm.planting import Planter, planter

pytestmark = pytest.mark.vm

CI_IMAGE = "registry.amikiln.internal/q9t5s3a7/vllm-ci-postmerge-repo:latest"
CONTAINER = "buildx_buildkit_baked-vllm-builder0"
AS_OWNER = "runuser -u buildkite-agent -- env -C /var/lib/buildkite-agent"
# As `aws ecr get-login-password | docker login` leaves it: AWS: and a token, base64.
TOKEN = base64.b64encode(b"AWS:eyJwYXlsb2FkIjoibm90IGEgcmVhbCBvbmUifQ==").decode()
ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
ECR_LOGIN = json.dumps({"auths": {ECR: {"auth": TOKEN}}})
EMPTY_CACHE = "fail: without the network the build of 17 steps fails"


@pytest.fixture(scope="module")
def machine(local_cloud: LocalCloud, proven_run: dict[str, Any]) -> Iterator[Planter]:
    """A machine of the proven image."""
    with planter(local_cloud, proven_run["cycle"]["image"]["id"]) as found:
        yield found


def not_passed(
    cloud: LocalCloud,
    image_id: str,
    verdict_file: Path,
    directory: Path = IMAGE_DIRECTORY,
    *,
    changes: Sequence[str] = (),
) -> dict[str, str]:
    """Verify an image and return the checks that did not pass, each with what it found."""
    options = ["--local", "--verdict", verdict_file, *changes]
    done = cloud.amikiln_may_fail("verify", directory, image_id, *options)
    verdict = json.loads(verdict_file.read_text())
    found = {
        check["name"]: f"{check['outcome']}: {check['evidence']}"
        for check in verdict["checks"]
        if check["outcome"] != "pass"
    }
    assert done.returncode == (5 if found else 0), done.stderr
    for name in found:
        assert name in done.stderr
    return found


def shorten_wait(cloud: LocalCloud) -> Sequence[str]:
    """Return options that wait no longer than needed for a builder that will not come back."""
    return () if cloud.machines == "emulated" else ("--set", "verify.builder_up_seconds=20")


def stop_builder(machine: Planter) -> str:
    """Stop the builder as the bake does, and return where its state is."""
    machine.run(f"docker stop --time 60 {CONTAINER}")
    return machine.run("cat /etc/amikiln/builder-state-directory").strip()


def test_secrets_a_missing_image_gc_and_another_context(
    local_cloud: LocalCloud, machine: Planter, tmp_path: Path
) -> None:
    login = "/var/lib/buildkite-agent/.docker/config.json"
    machine.run(f"cat >{login}", input=ECR_LOGIN.encode())
    machine.run("ssh-keygen -q -t ed25519 -N '' -C '' -f /var/tmp/forgotten")
    machine.run(f"docker image rm --force {CI_IMAGE}")
    toml = "/etc/buildkit/buildkitd.toml"
    machine.run(f"docker cp {CONTAINER}:{toml} /run/b && sed -i 's/gc = false/gc = true/' /run/b")
    machine.run(f"docker cp /run/b {CONTAINER}:{toml}")
    state = stop_builder(machine)
    assert state
    image_id = machine.image("many")
    machine.run("sed -i 's/gc = true/gc = false/' /run/b")
    machine.run(f"docker cp /run/b {CONTAINER}:{toml} && docker start {CONTAINER}")
    machine.run(f"rm {login} /var/tmp/forgotten* && docker pull --quiet {CI_IMAGE}")

    changed = Path(shutil.copytree(IMAGE_DIRECTORY, tmp_path / "changed"))
    with (changed / "warm" / "check.lua").open("a") as script:
        script.write("-- a comment\n")
    found = not_passed(local_cloud, image_id, tmp_path / "verdict.json", changed)
    assert found.keys() == {
        "no-secrets",
        "images-present",
        "builder-answers",
        "builder-configured",
        "manifest-as-planned",
        "builds-are-warm",
    }
    assert "/var/lib/buildkite-agent/.docker/config.json" in found["no-secrets"]
    assert "/var/tmp/forgotten" in found["no-secrets"]  # noqa: S108
    assert TOKEN not in (tmp_path / "verdict.json").read_text()
    assert "gc on" in found["builder-answers"]
    # What depends on the changed file was built again, and nothing else.
    assert "fail: 14 of 17 steps are hits" in found["builds-are-warm"]


def test_a_builder_that_does_not_come_back_and_a_full_disk(
    local_cloud: LocalCloud, machine: Planter, tmp_path: Path
) -> None:
    machine.run(f"docker update --restart=no {CONTAINER}")
    machine.run("fallocate -l $(($(df -k --output=avail / | tail -n 1) - 2000000))K /var/full")
    stop_builder(machine)
    image_id = machine.image("full")
    machine.run(f"rm /var/full; docker update --restart=always {CONTAINER}")
    machine.run(f"docker start {CONTAINER}")
    waiting = shorten_wait(local_cloud)
    found = not_passed(local_cloud, image_id, tmp_path / "verdict.json", changes=waiting)
    assert found.keys() == {
        "builder-up",
        "builder-answers",
        "jobs-find-builder",
        "store-kept",
        "room-on-disk",
    }
    assert "no host" in found["builder-up"]
    # Nobody can ask a builder that does not run.
    assert found["store-kept"].startswith("unknown: ")


def test_jobs_whose_hook_was_replaced_or_fails(
    local_cloud: LocalCloud, machine: Planter, tmp_path: Path
) -> None:
    """The builder is there, warm and its owner's, and no job finds it."""
    hooks = "/etc/buildkite-agent/hooks"
    hook = f"{hooks}/environment"
    # The one before the command gives what plugins took away, and would do alone.
    machine.run(f"cp -a {hook} /run/hook; mv {hooks}/pre-command /run/pre-command")
    machine.run(f"printf '#!/bin/sh\ntrue\n' >{hook}")
    stop_builder(machine)
    replaced = machine.image("replaced")
    machine.run(f"cp -a /run/hook {hook}; echo false >>{hook}")
    failing = machine.image("failing")
    machine.run(f"cp -a /run/hook {hook}; mv /run/pre-command {hooks}/; docker start {CONTAINER}")
    found = not_passed(local_cloud, replaced, tmp_path / "verdict.json")
    assert found.keys() == {"builder-answers", "jobs-find-builder", "builds-are-warm"}
    assert 'a job with --builder: failed: ERROR: no builder "baked-' in found["jobs-find-builder"]
    assert "a job with no option: default docker running" in found["jobs-find-builder"]
    assert found["jobs-find-builder"].startswith("fail: ")
    found = not_passed(local_cloud, failing, tmp_path / "verdict.json")
    assert f"the agent's hook {hook} failed with exit code 1" in found["jobs-find-builder"]
    assert found["jobs-find-builder"].startswith("fail: ")


def test_a_damaged_database(local_cloud: LocalCloud, machine: Planter, tmp_path: Path) -> None:
    database = f"{stop_builder(machine)}/cache.db"
    machine.run(f"cp {database} /run/cache.db")
    machine.run(f"dd if=/dev/urandom of={database} bs=4096 count=4 conv=notrunc status=none")
    image_id = machine.image("damaged")
    machine.run(f"cp /run/cache.db {database}; docker start {CONTAINER}")
    found = not_passed(local_cloud, image_id, tmp_path / "verdict.json")
    assert found.keys() == {"store-kept", "builds-are-warm"}
    assert "a database was set aside" in found["store-kept"]
    assert "fail: 0 of 17 steps are hits" in found["builds-are-warm"]


def test_docker_that_looks_elsewhere(
    local_cloud: LocalCloud, machine: Planter, tmp_path: Path
) -> None:
    machine.run("cp /etc/docker/daemon.json /run/daemon.json")
    machine.run('sed -i \'0,/{/s//{ "data-root": "\\/var\\/elsewhere",/\' /etc/docker/daemon.json')
    stop_builder(machine)
    image_id = machine.image("elsewhere")
    machine.run(f"cp /run/daemon.json /etc/docker/daemon.json; docker start {CONTAINER}")
    waiting = shorten_wait(local_cloud)
    found = not_passed(local_cloud, image_id, tmp_path / "verdict.json", changes=waiting)
    assert found.keys() == {
        "docker-as-baked",
        "builder-up",
        "builder-answers",
        "builder-configured",
        "jobs-find-builder",
        "store-kept",
        "images-present",
        "builds-are-warm",
    }
    assert "overlay2 /var/elsewhere; wanted: overlay2 /var/lib/docker" in found["docker-as-baked"]


def test_a_builder_that_was_made_anew_has_an_empty_cache(
    local_cloud: LocalCloud, machine: Planter, tmp_path: Path
) -> None:
    """The negative control: everything is as it was baked, but for the volume."""
    buildkit = machine.run(f"docker inspect --format '{{{{.Config.Image}}}}' {CONTAINER}").strip()
    create = (
        "docker buildx create --name baked-vllm-builder --driver docker-container"
        f" --driver-opt image={buildkit} --driver-opt network=host"
        " --config /etc/buildkit/buildkitd.toml --use --bootstrap"
    )
    home = f"{AS_OWNER} HOME=/var/lib/buildkite-agent"
    machine.run(f"{home} docker buildx rm baked-vllm-builder && {home} {create}")
    machine.run(f"docker update --restart=always {CONTAINER}")
    stop_builder(machine)
    anew = machine.image("anew")
    machine.run(f"docker start {CONTAINER}")
    found = not_passed(local_cloud, anew, tmp_path / "verdict.json")
    assert found.keys() == {"store-kept", "builds-are-warm"}
    assert found["builds-are-warm"].startswith(EMPTY_CACHE)


def test_pulled_images_alone_do_not_make_builds_warm(
    local_cloud: LocalCloud, tmp_path: Path
) -> None:
    """The negative control: the original's first version, which had no warm build."""
    directory = Path(shutil.copytree(IMAGE_DIRECTORY, tmp_path / "first-version"))
    spec = directory / "image.toml"
    text = spec.read_text()
    before, warm, rest = text.partition("[warm]\n")
    _, publish, rest = rest.partition("[publish]\n")
    without, local, _ = rest.partition("[local.warm]\n")
    assert warm
    assert publish
    assert local
    pulled = "warm = false\n" + before + publish + without
    spec.write_text(pulled.replace('"cpu-build"', '"first-version"', 1))
    baked = json.loads(local_cloud.amikiln("bake", directory, "--local", "--json").stdout)
    spec.write_text(text.replace('"cpu-build"', '"first-version"', 1))
    found = not_passed(local_cloud, baked["image"]["id"], tmp_path / "verdict.json", directory)
    assert found.keys() == {"manifest-as-planned", "store-kept", "builds-are-warm"}
    assert "fail: 0 of 17 steps are hits" in found["builds-are-warm"]


def test_a_proven_image_is_proven_again_from_its_id_alone(
    local_cloud: LocalCloud, proven_run: dict[str, Any], tmp_path: Path
) -> None:
    """Also after the tags that it was baked from have moved."""
    local_cloud.amikiln("cloud", "content", "v2")
    image_id = proven_run["cycle"]["image"]["id"]
    file = tmp_path / "verdict.json"
    assert not_passed(local_cloud, image_id, file) == {}
    local_cloud.amikiln("publish", IMAGE_DIRECTORY, image_id, "--local", "--verdict", file)
    local_cloud.amikiln("cloud", "content", "v1")
