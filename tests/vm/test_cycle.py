"""The whole cycle on real machines, as its user runs it: one image, then runs that die or meet."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from amikiln.aws.connect import connect
from amikiln.machine import keys
from amikiln.machine.ssh import SshGuest
from amikiln.machine.user_data import render_user_data
from amikiln.plan.resolve import plan
from amikiln.recipe import build_context, render
from amikiln.recipe.paths import CONTEXT_DIRECTORY
from amikiln.runtime.guest import Login
from amikiln.runtime.progress import PlainReporter
from amikiln.session import Session
from amikiln.spec.load import load_image
from vm.local_cloud import IMAGE_DIRECTORY, MACHINE_NAMES, LocalCloud, read_until

pytestmark = pytest.mark.vm

POINTER = "/buildkite/cpu-build-ami/us-east-1"
CI_IMAGE = "registry.amikiln.internal/q9t5s3a7/vllm-ci-postmerge-repo:latest"
CONTAINER = "buildx_buildkit_baked-vllm-builder0"
BOOT_SECONDS = 300


@pytest.fixture(scope="module")
def done(proven_run: dict[str, Any]) -> dict[str, Any]:
    return proven_run


@pytest.fixture(scope="module")
def guest(
    local_cloud: LocalCloud,
    done: dict[str, Any],
    left_alone: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[SshGuest]:
    """A machine of a group that follows the pointer; the abandoned one boots beside it."""
    directory = tmp_path_factory.mktemp("keys")
    directory.chmod(0o700)
    made = keys.make_keys(directory)
    local_cloud.ec2.import_key_pair(
        KeyName="group", PublicKeyMaterial=made.public(made.ours).encode()
    )
    launch_script = base64.b64encode(render_user_data(made, 60).encode()).decode()
    local_cloud.ec2.create_launch_template(
        LaunchTemplateName="cpu-build",
        LaunchTemplateData={
            "ImageId": f"resolve:ssm:{POINTER}",
            "InstanceType": "t3.medium",
            "KeyName": "group",
            "UserData": launch_script,
            "InstanceInitiatedShutdownBehavior": "terminate",
        },
    )
    local_cloud.autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="cpu-build",
        LaunchTemplate={"LaunchTemplateName": "cpu-build", "Version": "$Latest"},
        MinSize=1,
        MaxSize=1,
        AvailabilityZones=["us-east-1a"],
    )
    wait = local_cloud.waiter.until
    machine = wait(local_cloud.group_machine, what="the group's machine", deadline_seconds=60)
    guest = SshGuest(Login(machine["PublicIpAddress"], "ec2-user", made.directory))
    wait(
        lambda: True if guest.knock() is None else None,
        what="ssh to the group's machine",
        deadline_seconds=BOOT_SECONDS,
    )
    yield guest
    guest.leave()
    local_cloud.autoscaling.delete_auto_scaling_group(
        AutoScalingGroupName="cpu-build", ForceDelete=True
    )


def ask(guest: SshGuest, command: str) -> str:
    return guest.run(command, timeout_seconds=BOOT_SECONDS).strip()


def test_a_run_publishes_a_proven_image(local_cloud: LocalCloud, done: dict[str, Any]) -> None:
    image_id = done["cycle"]["image"]["id"]
    pointer = local_cloud.ssm.get_parameter(Name=POINTER)["Parameter"]
    assert (pointer["Value"], pointer["DataType"]) == (image_id, "aws:ec2:image")
    assert {check["outcome"] for check in done["cycle"]["verdict"]["checks"]} == {"pass"}
    assert local_cloud.of_runs("cpu-build") == {
        "instances": set(),
        "keys": set(),
        "groups": set(),
        "images": {image_id},
    }
    assert done["controller_seconds"] > 0


def test_the_image_has_the_documents_volume_and_deprecation(
    local_cloud: LocalCloud, done: dict[str, Any]
) -> None:
    image = local_cloud.ec2.describe_images(ImageIds=[done["cycle"]["image"]["id"]])["Images"][0]
    ebs = image["BlockDeviceMappings"][0]["Ebs"]
    assert (ebs["VolumeType"], ebs["Iops"], ebs["Throughput"]) == ("gp3", 6000, 500)
    assert image["DeprecationTime"]


def test_the_builder_is_up_on_a_machine_of_the_group(guest: SshGuest) -> None:
    ask(guest, "systemctl is-system-running --wait || true")
    facts = ask(
        guest,
        "docker inspect --format '{{.State.Status}} {{.HostConfig.RestartPolicy.Name}}"
        f" {{{{.HostConfig.NetworkMode}}}}' {CONTAINER}",
    )
    assert facts == "running always host"


def test_the_workers_own_word_is_the_documents(guest: SshGuest) -> None:
    in_effect = tomllib.loads(
        ask(guest, f"docker cp {CONTAINER}:/etc/buildkit/buildkitd.toml - | tar -xO")
    )
    assert in_effect["worker"]["oci"] == {"max-parallelism": 16, "gc": False}
    # It tells its rules for collecting garbage, of which it has none.
    assert "GC Policy" not in ask(guest, f"docker exec {CONTAINER} buildctl debug workers -v")
    on_disk = tomllib.loads(ask(guest, "cat /etc/buildkit/buildkitd.toml"))
    assert on_disk == in_effect


def test_the_image_was_pulled_by_the_digest_that_was_planned(
    guest: SshGuest, local_cloud: LocalCloud
) -> None:
    digests = ask(guest, f"docker image inspect --format '{{{{.RepoDigests}}}}' {CI_IMAGE}")
    assert local_cloud.first_content in digests
    said = ask(guest, f"docker run --rm {CI_IMAGE} sh -c 'echo it runs'")
    assert said == "it runs"


def test_the_jobs_user_owns_the_builder_and_it_builds(guest: SshGuest) -> None:
    listed = ask(guest, "runuser -l buildkite-agent -c 'docker buildx ls'")
    assert "baked-vllm-builder*" in listed.replace(" *", "*")
    built = ask(
        guest,
        "runuser -l buildkite-agent -c '"
        f'printf "FROM {CI_IMAGE}\\nRUN echo built > /built\\n"'
        " | docker buildx build --progress plain - 2>&1'",
    )
    assert "DONE" in built


def test_manifest_and_verdict_tell_what_machine_it_was_and_what_that_means(
    guest: SshGuest, local_cloud: LocalCloud, done: dict[str, Any]
) -> None:
    manifest = json.loads(ask(guest, "cat /etc/amikiln/manifest.json"))
    machine = MACHINE_NAMES[local_cloud.machines]
    assert manifest["machine"] == done["cycle"]["verdict"]["machine"] == machine
    # Only where the scanner is slow.
    assert ("checksums" in manifest["scan"]["left_out"]) is (machine == "qemu")
    assert manifest["boot_changed"] is False


def test_every_step_can_run_again_and_keeps_the_builder(
    guest: SshGuest,
    local_cloud: LocalCloud,
    done: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in local_cloud.variables.items():
        monkeypatch.setenv(name, value)
    image = load_image(IMAGE_DIRECTORY, local=True)
    planned = plan(
        image,
        Session(connect(image.spec.region), PlainReporter(), local_cloud.waiter, SshGuest),
    )
    assert planned.digest == done["cycle"]["plan"]["digest"]
    container = f"docker inspect --format '{{{{.Id}}}}' {CONTAINER}"
    before = ask(guest, container)

    rendered = render.render_recipe(planned)
    unpack = "mkdir -p /run/again && tar -x -C /run/again"
    guest.run(unpack, input=rendered.pack(), timeout_seconds=60)
    assert planned.context is not None
    with build_context.pack_context(planned.context) as archive:
        there = CONTEXT_DIRECTORY
        guest.run(f"mkdir -p {there} && tar -x -C {there}", input=archive, timeout_seconds=60)
    said: list[str] = []
    for step in rendered.steps:
        if "steps/10" <= step < "steps/90":  # without the scans, whose scanner is not sent
            again = f"cd /run/again && sh -eu {step}"
            guest.stream(again, said.append, timeout_seconds=BOOT_SECONDS)
    assert "builder baked-vllm-builder is there already" in said
    assert ask(guest, container) == before


def test_the_manifest_tells_what_is_in_the_image(guest: SshGuest, done: dict[str, Any]) -> None:
    manifest = json.loads(ask(guest, "cat /etc/amikiln/manifest.json"))
    assert manifest["planned"]["digest"] == done["cycle"]["plan"]["digest"]
    assert manifest["packages"]["docker.io"]
    assert manifest["buildkit"] == "v0.26.3"
    assert manifest["images"][CI_IMAGE]["size"] > 1_000_000
    assert set(manifest["seconds"]) >= {"10-docker.sh", "30-builder.sh", "40-images.sh"}


def test_nothing_of_the_bake_is_in_the_image(guest: SshGuest, done: dict[str, Any]) -> None:
    run_id = done["cycle"]["run"]["id"]
    assert ask(guest, "cat /root/.ssh/authorized_keys 2>/dev/null || true") == ""
    assert ask(guest, "ls -d /run/amikiln 2>/dev/null || true") == ""
    # From stdin: sudo writes the command into this machine's own journal.
    search = "grep -rlF -f - /etc /root /home /var/lib/cloud /var/log || true"
    found = guest.run(search, input=run_id.encode(), timeout_seconds=BOOT_SECONDS)
    assert found == ""
    assert len(ask(guest, "cat /etc/machine-id")) == 32


def test_a_machine_that_ends_its_job_is_replaced(
    guest: SshGuest, local_cloud: LocalCloud, done: dict[str, Any]
) -> None:
    before = local_cloud.group_machine()
    assert before is not None
    guest.run("systemd-run --on-active=1 systemctl poweroff", timeout_seconds=60)

    def another() -> dict[str, Any] | None:
        machine = local_cloud.group_machine()
        return machine if machine and machine["InstanceId"] != before["InstanceId"] else None

    machine = local_cloud.waiter.until(
        another, what="the group to replace its machine", deadline_seconds=BOOT_SECONDS
    )
    assert machine["ImageId"] == done["cycle"]["image"]["id"]


def test_what_a_killed_run_left_is_removed_and_of_two_runs_one_leaves(
    local_cloud: LocalCloud, done: dict[str, Any]
) -> None:
    short_lease = ("--set", "deadlines.lease_seconds=5")
    killed = local_cloud.start_run(*short_lease)
    read_until(killed, "launched from")
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    left = local_cloud.of_runs("cpu-build")
    assert len(left["instances"]) == 1
    assert len(left["keys"]) == 1

    def begin_again() -> subprocess.Popen[str] | None:
        process = local_cloud.start_run(*short_lease)
        try:
            read_until(process, "launched from")
        except AssertionError:
            process.communicate()
            assert process.returncode == 8
            return None
        return process

    second = local_cloud.waiter.until(
        begin_again, what="the killed run's lease to lapse", deadline_seconds=120
    )
    holds = local_cloud.of_runs("cpu-build")
    assert not holds["instances"] & left["instances"]
    assert not holds["keys"] & left["keys"]
    assert not holds["groups"] & left["groups"]

    third = local_cloud.start_run(*short_lease)
    _, said = third.communicate()
    assert third.returncode == 8
    assert "holds the lease" in said

    second.send_signal(signal.SIGINT)
    _, said = second.communicate()
    assert second.returncode == 130
    assert local_cloud.of_runs("cpu-build") == {
        "instances": set(),
        "keys": set(),
        "groups": set(),
        "images": {done["cycle"]["image"]["id"]},
    }
