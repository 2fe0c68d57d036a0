"""The whole cycle against the local cloud's API, with machines that only pretend."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from typing import Any

import pytest

from amikiln import pipeline
from amikiln.bake.bake import bake as real_bake
from amikiln.catalog import lease
from amikiln.catalog.tags import TAG_DIGEST, TAG_IMAGE, TAG_RUN, TAG_VERDICT, TAG_VERDICT_HASH
from amikiln.errors import (
    AmikilnError,
    BakeError,
    Interrupted,
    LeaseError,
    PreflightError,
    PublishError,
    VerifyError,
)
from amikiln.model.image import ForceReason
from amikiln.model.verdict import Verdict
from amikiln.publish.proof import read_verdict
from fakes import fail_on, spec
from harness import NOTHING, POINTER, Harness


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


def test_an_unproven_image_goes_with_the_next_run(harness: Harness) -> None:
    harness.script.owner_builder = "default"
    with pytest.raises(VerifyError):
        harness.run()
    left = harness.holdings()["images"]
    harness.script.owner_builder = "baked-vllm-builder"
    done = harness.run()
    assert left != []
    assert harness.holdings()["images"] == [done.image.id]


def test_unchanged_inputs_are_not_baked_proven_and_published_again(harness: Harness) -> None:
    first = harness.run()
    assert (first.skipped, first.because) == ((), "")
    asked = len(harness.script.asked)
    second = harness.run()
    assert (second.image, second.verdict) == (first.image, None)
    assert second.published == dataclasses.replace(first.published, previous_image_id=None)
    assert second.skipped == ("bake", "verify", "publish")
    assert list(second.seconds) == ["plan", "sweep", "roll out"]
    plainly = f"inputs unchanged: {first.image.id} of 0.0 h ago is proven and published"
    assert second.because == f"{plainly}; --rebake bakes anyway"
    assert second.because in harness.report.said
    assert len(harness.script.asked) == asked, "no machine was asked anything"
    pipeline.write_result(second, harness.folder / "result.json")
    kept = json.loads((harness.folder / "result.json").read_text())
    assert (kept["skipped"], kept["verdict"]) == (["bake", "verify", "publish"], None)


def test_a_proven_image_that_the_pointer_does_not_name_is_verified_again(harness: Harness) -> None:
    first = harness.run()
    other = harness.cloud.base
    harness.ssm.put_parameter(Name=POINTER, Value=other, DataType="aws:ec2:image", Overwrite=True)
    harness.session.waiter.until(
        lambda: harness.pointer() == other or None, what="the pointer", deadline_seconds=20
    )
    second = harness.run()
    assert second.image == first.image
    assert second.verdict is not None
    assert first.verdict is not None
    assert second.verdict.run_id == second.run.id != first.verdict.run_id
    assert harness.pointer() == first.image.id
    assert second.published.previous_image_id == other
    assert second.skipped == ("bake",)
    assert list(second.seconds) == ["plan", "sweep", "verify", "publish", "roll out"]
    assert "the pointer does not name it: verified again" in second.because


def test_a_proven_image_that_fails_the_second_time_is_baked_anew(harness: Harness) -> None:
    first = harness.run()
    harness.ssm.delete_parameter(Name=POINTER)
    harness.script.owner_builder = "default"
    with pytest.raises(VerifyError):
        harness.run()
    assert harness.pointer() is None
    harness.script.owner_builder = "baked-vllm-builder"
    second = harness.run()
    assert (second.skipped, harness.pointer()) == ((), second.image.id)
    assert second.image.id != first.image.id


def test_other_inputs_are_baked(harness: Harness) -> None:
    first = harness.run()
    second = harness.run(spec(volume={"size_gib": 13}))
    assert (second.skipped, harness.pointer()) == ((), second.image.id)
    assert second.image.id != first.image.id


def test_an_image_that_is_too_old_is_baked_anew(harness: Harness) -> None:
    wanted = spec(max_age_hours=0)
    first, second = harness.run(wanted), harness.run(wanted)
    assert first.plan.digest == second.plan.digest
    assert second.skipped == ()
    assert second.image.id != first.image.id


def test_a_forced_image_is_baked_anew(harness: Harness) -> None:
    harness.script.owner_builder = "default"
    with pytest.raises(VerifyError):
        harness.run()
    (forced,) = harness.holdings()["images"]
    run, word = pipeline.new_run("cpu-build"), ForceReason(forced, "urgent")
    published = pipeline.publish_image(harness.image(), forced, word, run, harness.session)
    assert (harness.pointer(), published.forced) == (forced, "urgent")
    harness.script.owner_builder = "baked-vllm-builder"
    done = harness.run()
    assert (done.skipped, harness.pointer()) == ((), done.image.id)
    assert done.image.id != forced


def test_an_image_baked_alone_is_unjudged_until_the_next_cycle_takes_it_up(
    harness: Harness,
) -> None:
    run = pipeline.new_run("cpu-build")
    baked = pipeline.bake_image(harness.image(), run, harness.session)
    assert harness.holdings() == NOTHING | {
        "images": [baked.image.id],
        "snapshots": list(baked.image.snapshot_ids),
    }
    image = harness.ec2.describe_images(ImageIds=[baked.image.id])["Images"][0]
    tags = {tag["Key"]: tag["Value"] for tag in image["Tags"]}
    assert (tags[TAG_RUN], TAG_VERDICT in tags) == (run.id, False)
    assert list(baked.seconds) == ["plan", "sweep", "bake"]
    assert harness.pointer() is None
    done = harness.run()
    assert (done.image, done.skipped) == (baked.image, ())
    assert harness.pointer() == baked.image.id


def test_a_rebake_takes_up_nothing(harness: Harness) -> None:
    unjudged = pipeline.bake_image(
        harness.image(), pipeline.new_run("cpu-build"), harness.session
    ).image
    first = harness.run(rebake=True)
    second = harness.run(rebake=True)
    assert (first.skipped, second.skipped) == ((), ())
    assert len({unjudged.id, first.image.id, second.image.id}) == 3
    assert harness.pointer() == second.image.id


def test_a_bake_alone_fails_as_a_bake_and_leaves_nothing(harness: Harness) -> None:
    harness.script.refuse = fail_on("30-builder")
    with pytest.raises(BakeError):
        pipeline.bake_image(harness.image(), pipeline.new_run("cpu-build"), harness.session)
    assert harness.holdings() == NOTHING


def test_nothing_is_baked_or_published_while_another_run_works(harness: Harness) -> None:
    done = harness.run()
    verdict = read_verdict(harness.folder / "verdict.json")
    harness.ssm.delete_parameter(Name=POINTER)
    wanted, session, other = spec(), harness.session, pipeline.new_run("cpu-build")
    with lease.hold_lease(session.cloud.parameters, wanted.lease_path, other, 60, harness.report):
        for proof in (verdict, ForceReason(done.image.id, "urgent")):
            with pytest.raises(LeaseError, match=other.id):
                pipeline.publish_image(
                    harness.image(wanted),
                    done.image.id,
                    proof,
                    pipeline.new_run("cpu-build"),
                    session,
                )
        with pytest.raises(LeaseError, match=other.id):
            pipeline.bake_image(harness.image(wanted), pipeline.new_run("cpu-build"), session)
    assert harness.pointer() is None
    assert harness.holdings()["images"] == [done.image.id]


def test_what_publish_refuses_alone_is_an_error_of_publish(harness: Harness) -> None:
    run, word = pipeline.new_run("cpu-build"), ForceReason("ami-0aaaaaaaaaaaaaaaa", "urgent")
    with pytest.raises(PublishError, match="no image ami-0aaaaaaaaaaaaaaaa in us-east-1"):
        pipeline.publish_image(harness.image(), "ami-0aaaaaaaaaaaaaaaa", word, run, harness.session)


def test_a_failing_step_is_shown_and_nothing_stays(harness: Harness) -> None:
    harness.script.refuse = fail_on("30-builder")
    with pytest.raises(BakeError, match=r"steps/30-builder\.sh failed[\s\S]*it broke") as caught:
        harness.run()
    assert caught.value.exit_code == 4
    assert harness.holdings() == NOTHING


def test_an_interrupt_in_mid_bake_leaves_nothing(harness: Harness) -> None:
    def interrupt(command: str) -> None:
        if "40-images" in command:
            raise Interrupted

    harness.script.refuse = interrupt
    with pytest.raises(Interrupted):
        harness.run()
    assert harness.holdings() == NOTHING


def test_a_guest_that_does_not_let_us_in_at_once_is_waited_for(harness: Harness) -> None:
    harness.script.knocks_before_answer = 3
    harness.run()
    assert harness.script.asked.count("knock") == 3 + 2


def test_a_missing_source_image_is_named_before_anything_is_made(harness: Harness) -> None:
    source = {"name": "no-such-image-*", "owner": "self"}
    with pytest.raises(PreflightError, match=r"no-such-image-\*"):
        harness.run(spec(source=source))
    assert harness.holdings() == NOTHING


def test_two_runs_at_once_one_works_and_the_other_leaves(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[AmikilnError] = []

    def bake_beside_another_run(*args: Any, **options: Any) -> Any:
        with pytest.raises(LeaseError) as caught:
            harness.run()
        refused.append(caught.value)
        return real_bake(*args, **options)

    monkeypatch.setattr(pipeline, "bake", bake_beside_another_run)
    done = harness.run()
    assert done.run.id in refused[0].what
    assert harness.pointer() == done.image.id


def test_what_a_killed_run_left_is_removed_only_after_its_lease_lapsed(harness: Harness) -> None:
    class Killed(BaseException):
        pass

    def die(command: str) -> None:
        if "40-images" in command:
            raise Killed

    wanted = spec(deadlines={"lease_seconds": 3})
    harness.script.refuse = die
    # A killed process takes nothing back and releases no lease.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("amikiln.runtime.cleanup.Undo.__exit__", lambda *args: None)
        patch.setattr("amikiln.catalog.lease.Lease.release", lambda self: None)
        with pytest.raises(Killed):
            harness.run(wanted)
    left = harness.holdings()
    assert (len(left["instances"]), len(left["keys"]), len(left["groups"])) == (1, 1, 1)

    harness.script.refuse = lambda command: None
    with pytest.raises(LeaseError):
        harness.run(wanted)
    assert harness.holdings() == left

    # As when its time has passed: who reads it goes by when it was written, and the cloud's clock,
    # which is read in whole seconds.
    with harness.cloud.cloud.lock:
        for versions in harness.cloud.ssm_backend._parameters.values():
            versions[-1].last_modified_date -= timedelta(seconds=wanted.deadlines.lease_seconds + 1)
    harness.run(wanted)
    assert harness.holdings() | {"images": [], "snapshots": []} == NOTHING
    assert len(harness.holdings()["images"]) == 1
