"""The whole cycle against the local cloud's API, with machines that only pretend."""

from __future__ import annotations

import json

import pytest

from amikiln import pipeline
from amikiln.catalog.tags import TAG_DIGEST, TAG_IMAGE, TAG_RUN, TAG_VERDICT, TAG_VERDICT_HASH
from amikiln.errors import (
    VerifyError,
)
from amikiln.model.verdict import Verdict
from amikiln.publish.proof import read_verdict
from fakes import fail_on
from harness import NOTHING, Harness


def test_a_cycle_publishes_a_proven_image_and_leaves_nothing_else(harness: Harness) -> None:
    done = harness.run()
    assert harness.pointer() == done.image.id
    assert harness.holdings() == NOTHING | {
        "images": [done.image.id],
        "snapshots": list(done.image.snapshot_ids),
    }
    image = harness.ec2.describe_images(ImageIds=[done.image.id])["Images"][0]
    tags = {tag["Key"]: tag["Value"] for tag in image["Tags"]}
    assert tags[TAG_RUN] == done.run.id
    assert (tags[TAG_VERDICT], tags[TAG_VERDICT_HASH]) == (
        "pass",
        read_verdict(harness.folder / "verdict.json").sha256,
    )
    assert json.loads((harness.folder / "verdict.json").read_text())["outcome"] == "pass"


def test_the_image_has_the_specs_volume_its_tags_and_a_deprecation_date(harness: Harness) -> None:
    done = harness.run()
    image = harness.ec2.describe_images(ImageIds=[done.image.id])["Images"][0]
    ebs = image["BlockDeviceMappings"][0]["Ebs"]
    assert (ebs["VolumeType"], ebs["Iops"], ebs["Throughput"]) == ("gp3", 6000, 500)
    assert image["DeprecationTime"]
    snapshot = harness.ec2.describe_snapshots(SnapshotIds=[ebs["SnapshotId"]])["Snapshots"][0]
    assert {"Key": TAG_IMAGE, "Value": "cpu-build"} in snapshot["Tags"]


def test_the_recipe_runs_in_order_before_the_machine_stops(harness: Harness) -> None:
    harness.run()
    steps_run = [
        a.split("steps/")[1].split(".sh")[0] for a in harness.script.asked if "steps/" in a
    ]
    assert steps_run == sorted(steps_run)
    assert steps_run[-3:] == ["95-seal", "96-boot", "97-scan"]


def test_a_second_cycle_replaces_the_pointer_and_keeps_the_first_image(harness: Harness) -> None:
    first, second = harness.run(), harness.run(rebake=True)
    assert second.published.previous_image_id == first.image.id
    assert second.published.version == 2
    assert sorted(harness.holdings()["images"]) == sorted([first.image.id, second.image.id])


def test_an_image_that_fails_a_check_is_not_published(harness: Harness) -> None:
    first = harness.run()
    harness.script.owner_builder = "default"
    with pytest.raises(VerifyError, match=r"builder-answers: .*default") as caught:
        harness.run(rebake=True)
    assert caught.value.exit_code == 5
    assert harness.pointer() == first.image.id
    assert json.loads((harness.folder / "verdict.json").read_text())["outcome"] == "fail"


def test_a_check_that_cannot_be_carried_out_is_no_pass(harness: Harness) -> None:
    harness.script.refuse = fail_on("manifest.json")
    with pytest.raises(VerifyError, match="manifest-as-planned"):
        harness.run()
    assert harness.pointer() is None


def test_an_image_that_no_bake_of_ours_tagged_is_known_by_its_manifest(harness: Harness) -> None:
    baked = pipeline.bake_image(harness.image(), pipeline.new_run("cpu-build"), harness.session)
    image_id, file = baked.image.id, harness.folder / "verdict.json"

    def tag(key: str) -> str | None:
        (found,) = harness.ec2.describe_images(ImageIds=[image_id])["Images"]
        return next((one["Value"] for one in found["Tags"] if one["Key"] == key), None)

    def verify() -> Verdict:
        run = pipeline.new_run("cpu-build")
        return pipeline.verify_image(harness.image(), image_id, run, harness.session, file).verdict

    harness.ec2.delete_tags(Resources=[image_id], Tags=[{"Key": TAG_DIGEST}])
    harness.script.owner_builder = "default"
    assert verify().outcome == "fail"
    assert tag(TAG_DIGEST) is None
    harness.script.owner_builder = "baked-vllm-builder"
    assert verify().outcome == "pass"
    assert tag(TAG_DIGEST) == baked.digest


def test_a_guest_that_does_not_let_us_in_at_once_is_waited_for(harness: Harness) -> None:
    harness.script.knocks_before_answer = 3
    harness.run()
    assert harness.script.asked.count("knock") == 3 + 2
