"""The stand-in for the Elastic CI Stack's image: offered from the start, made when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from amikiln.errors import LocalCloudError
from amikiln.plan.elastic_stack import find_image_id
from amikiln.spec.machine import STACK_OWNER, Source
from amikiln_localcloud.api.base_image import ELASTIC_STACK, register_base
from amikiln_localcloud.api.ec2.images import LocalImage
from amikiln_localcloud.machines import elastic_stack
from amikiln_localcloud.machines.base_image import Variant, compute_base_key
from amikiln_localcloud.machines.contract import SnapshotFiles
from localcloud.fakes import write_snapshot
from localcloud.fixture import CloudFixture


def offer(cloud: CloudFixture, make: Callable[[SnapshotFiles], None]) -> LocalImage:
    files = SnapshotFiles(cloud.home.cache / "base" / "stack")
    return register_base(
        cloud.cloud,
        files,
        key=compute_base_key(Variant.ELASTIC_STACK),
        size_gib=8,
        offer=ELASTIC_STACK,
        make=lambda: make(files),
    )


def launch(cloud: CloudFixture, image_id: str) -> str:
    launched = cloud.client("ec2").run_instances(
        ImageId=image_id, MinCount=1, MaxCount=1, InstanceType="t3.small"
    )
    instance_id: str = launched["Instances"][0]["InstanceId"]
    return instance_id


def test_it_is_buildkites_and_available_before_anything_is_built(cloud: CloudFixture) -> None:
    made: list[SnapshotFiles] = []
    image = offer(cloud, made.append)
    (found,) = cloud.client("ec2").describe_images(Owners=[STACK_OWNER])["Images"]
    assert (found["ImageId"], found["State"], found["Public"]) == (image.id, "available", True)
    assert found["RootDeviceName"] == "/dev/xvda"
    assert found["Name"].startswith("buildkite-stack-linux-amazonlinux2023-x86_64-")
    assert made == []


def test_a_template_of_the_stack_maps_to_it(cloud: CloudFixture, tmp_path: Path) -> None:
    image = offer(cloud, lambda files: None)
    (tmp_path / "aws-stack.yml").write_text(elastic_stack.render_template())
    source = Source(stack_version=elastic_stack.VERSION, stack_template="aws-stack.yml")
    assert find_image_id(source, "us-east-1", tmp_path) == image.id


def test_the_first_machine_has_it_made_and_the_next_one_finds_it(cloud: CloudFixture) -> None:
    made: list[SnapshotFiles] = []

    def make(files: SnapshotFiles) -> None:
        made.append(files)
        write_snapshot(files, "the stack's")

    image = offer(cloud, make)
    for _ in range(2):
        cloud.until_state(launch(cloud, image.id), "running")
    assert len(made) == 1
    assert [machine.plan.source for machine in cloud.hypervisor.machines.values()] == [made[0]] * 2


def test_one_that_cannot_be_made_ends_the_machine_with_the_reason(cloud: CloudFixture) -> None:
    def fail(files: SnapshotFiles) -> None:
        raise LocalCloudError("cannot build the base image: no mirror")

    image = offer(cloud, fail)
    found = cloud.until_state(launch(cloud, image.id), "terminated")
    assert "no mirror" in found["StateReason"]["Message"]


@pytest.mark.parametrize("there", [True, False])
def test_a_copy_has_it_made(cloud: CloudFixture, there: bool) -> None:
    def make(files: SnapshotFiles) -> None:
        if not there:
            raise LocalCloudError("no mirror")
        write_snapshot(files, "the stack's")

    image = offer(cloud, make)
    ec2 = cloud.client("ec2")
    copied = ec2.copy_image(SourceImageId=image.id, SourceRegion="us-east-1", Name="copy-of-it")
    cloud.until_image(copied["ImageId"], "available" if there else "failed")


def test_its_content_decides_its_id() -> None:
    first, snapshot = elastic_stack.compute_ids("name", "content")
    assert elastic_stack.compute_ids("name", "other")[0] != first
    assert first.removeprefix("ami-") == snapshot.removeprefix("snap-")
