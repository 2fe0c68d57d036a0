"""Real Packer builds the image from the exported template, and the image proves itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amikiln.export.packer import folder, template
from amikiln.spec.load import load_image
from vm.local_cloud import IMAGE_DIRECTORY, LocalCloud

PACKER = shutil.which("packer")
LOCAL_ROOT_DEVICE = "/dev/sda1"

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(PACKER is None, reason="not run: there is no Packer here"),
]


def version() -> tuple[int, ...]:
    said = subprocess.run(["packer", "version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"v(\d+)\.(\d+)\.(\d+)", said)
    assert found, said
    return tuple(int(part) for part in found.groups())


@pytest.fixture(scope="module")
def built(
    local_cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """The image that Packer builds, as DescribeImages shows it; it goes afterwards."""
    here = tmp_path_factory.mktemp("packer")
    image = load_image(IMAGE_DIRECTORY, local=True)
    classic = version() < (1, 7)
    files = template.render_folder(image, here, root_device=LOCAL_ROOT_DEVICE, classic=classic)
    folder.write_folder(here, files)
    options = [f"-var=endpoint={local_cloud.variables['AWS_ENDPOINT_URL']}"] if classic else []
    environment = {
        **local_cloud.environment,
        **local_cloud.variables,
        "AMIKILN_LOCAL": "1",
        "CHECKPOINT_DISABLE": "1",
    }
    commands = [] if classic else [["packer", "init", "."]]
    commands.append(["packer", "build", "-color=false", *options, "buildkite-cpu-ami.pkr.hcl"])
    for command in commands:
        done = subprocess.run(
            command, cwd=here, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    (build,) = json.loads((here / "packer-manifest.json").read_text())["builds"]
    region, _, image_id = build["artifact_id"].partition(":")
    assert (region, build["custom_data"]["image"]) == ("us-east-1", "cpu-build")
    image: dict[str, Any]
    (image,) = local_cloud.ec2.describe_images(ImageIds=[image_id])["Images"]
    yield image
    local_cloud.ec2.deregister_image(ImageId=image_id)
    for mapping in image["BlockDeviceMappings"]:
        local_cloud.ec2.delete_snapshot(SnapshotId=mapping["Ebs"]["SnapshotId"])


def tags_of(local_cloud: LocalCloud, image_id: str) -> dict[str, str]:
    (image,) = local_cloud.ec2.describe_images(ImageIds=[image_id])["Images"]
    return {tag["Key"]: tag["Value"] for tag in image["Tags"]}


def test_its_volume_name_and_tags_are_the_documents(
    built: dict[str, Any], local_cloud: LocalCloud
) -> None:
    (mapping,) = built["BlockDeviceMappings"]
    ebs = mapping["Ebs"]
    assert (ebs["VolumeType"], ebs["Iops"], ebs["Throughput"]) == ("gp3", 6000, 500)
    assert re.fullmatch(r"buildkite-cpu-build-\d{8}-\d{6}-packer", built["Name"])
    wanted = {"amikiln:image": "cpu-build", "Name": "buildkite-cpu-build"}
    assert tags_of(local_cloud, built["ImageId"]) == wanted
    (snapshot,) = local_cloud.ec2.describe_snapshots(SnapshotIds=[ebs["SnapshotId"]])["Snapshots"]
    assert {tag["Key"]: tag["Value"] for tag in snapshot["Tags"]} == wanted
    if version() >= (1, 7):
        assert built["DeprecationTime"]
        assert built["ImdsSupport"] == "v2.0"


def test_it_proves_itself_like_any_other(
    built: dict[str, Any], local_cloud: LocalCloud, tmp_path: Path
) -> None:
    image_id, verdict = built["ImageId"], tmp_path / "verdict.json"
    local_cloud.amikiln("verify", IMAGE_DIRECTORY, image_id, "--local", "--verdict", verdict)
    found = json.loads(verdict.read_text())
    assert found["outcome"] == "pass"
    tags = tags_of(local_cloud, image_id)
    assert tags["amikiln:verdict"] == "pass"
    # It could not be tagged with it before: now it can be published like any other.
    assert tags["amikiln:digest"] == found["digest"]
