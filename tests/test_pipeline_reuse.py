"""What a cycle takes up from runs before it, and what it does anew."""

from __future__ import annotations

import dataclasses
import json

import pytest

from amikiln import pipeline
from amikiln.catalog.tags import TAG_RUN, TAG_VERDICT
from amikiln.errors import (
    VerifyError,
)
from amikiln.model.image import ForceReason
from fakes import spec
from harness import NOTHING, POINTER, Harness


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
