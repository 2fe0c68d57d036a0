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
from bench import NOTHING, POINTER, Bench
from fakes import failing, spec


def test_a_cycle_publishes_a_proven_image_and_leaves_nothing_else(bench: Bench) -> None:
    done = bench.cycle()
    assert bench.pointer() == done.image.id
    assert bench.holdings() == NOTHING | {
        "images": [done.image.id],
        "snapshots": list(done.image.snapshot_ids),
    }
    image = bench.ec2.describe_images(ImageIds=[done.image.id])["Images"][0]
    tags = {tag["Key"]: tag["Value"] for tag in image["Tags"]}
    assert tags[TAG_RUN] == done.run.id
    assert (tags[TAG_VERDICT], tags[TAG_VERDICT_HASH]) == (
        "pass",
        read_verdict(bench.folder / "verdict.json").sha256,
    )
    assert json.loads((bench.folder / "verdict.json").read_text())["outcome"] == "pass"


def test_the_image_has_the_specs_volume_its_tags_and_a_deprecation_date(bench: Bench) -> None:
    done = bench.cycle()
    image = bench.ec2.describe_images(ImageIds=[done.image.id])["Images"][0]
    ebs = image["BlockDeviceMappings"][0]["Ebs"]
    assert (ebs["VolumeType"], ebs["Iops"], ebs["Throughput"]) == ("gp3", 6000, 500)
    assert image["DeprecationTime"]
    snapshot = bench.ec2.describe_snapshots(SnapshotIds=[ebs["SnapshotId"]])["Snapshots"][0]
    assert {"Key": TAG_IMAGE, "Value": "cpu-build"} in snapshot["Tags"]


def test_the_recipe_runs_in_order_before_the_machine_stops(bench: Bench) -> None:
    bench.cycle()
    steps_run = [a.split("steps/")[1].split(".sh")[0] for a in bench.script.asked if "steps/" in a]
    assert steps_run == sorted(steps_run)
    assert steps_run[-2:] == ["95-seal", "97-scan"]


def test_a_second_cycle_replaces_the_pointer_and_keeps_the_first_image(bench: Bench) -> None:
    first, second = bench.cycle(), bench.cycle(rebake=True)
    assert second.published.previous_image_id == first.image.id
    assert second.published.version == 2
    assert sorted(bench.holdings()["images"]) == sorted([first.image.id, second.image.id])


def test_an_image_that_fails_a_check_is_not_published(bench: Bench) -> None:
    first = bench.cycle()
    bench.script.owner_builder = "default"
    with pytest.raises(VerifyError, match=r"builder-answers: .*default") as caught:
        bench.cycle(rebake=True)
    assert caught.value.exit_code == 5
    assert bench.pointer() == first.image.id
    assert json.loads((bench.folder / "verdict.json").read_text())["outcome"] == "fail"


def test_a_check_that_cannot_be_carried_out_is_no_pass(bench: Bench) -> None:
    bench.script.refuse = failing("manifest.json")
    with pytest.raises(VerifyError, match="manifest-as-planned"):
        bench.cycle()
    assert bench.pointer() is None


def test_an_image_that_no_bake_of_ours_tagged_is_known_by_its_manifest(bench: Bench) -> None:
    baked = pipeline.bake_image(bench.image(), pipeline.new_run("cpu-build"), bench.session)
    image_id, file = baked.image.id, bench.folder / "verdict.json"

    def tag(key: str) -> str | None:
        (found,) = bench.ec2.describe_images(ImageIds=[image_id])["Images"]
        return next((one["Value"] for one in found["Tags"] if one["Key"] == key), None)

    def verify() -> Verdict:
        run = pipeline.new_run("cpu-build")
        return pipeline.verify_image(bench.image(), image_id, run, bench.session, file).verdict

    bench.ec2.delete_tags(Resources=[image_id], Tags=[{"Key": TAG_DIGEST}])
    bench.script.owner_builder = "default"
    assert verify().outcome == "fail"
    assert tag(TAG_DIGEST) is None
    bench.script.owner_builder = "baked-vllm-builder"
    assert verify().outcome == "pass"
    assert tag(TAG_DIGEST) == baked.digest


def test_an_unproven_image_goes_with_the_next_run(bench: Bench) -> None:
    bench.script.owner_builder = "default"
    with pytest.raises(VerifyError):
        bench.cycle()
    left = bench.holdings()["images"]
    bench.script.owner_builder = "baked-vllm-builder"
    done = bench.cycle()
    assert left != []
    assert bench.holdings()["images"] == [done.image.id]


def test_unchanged_inputs_are_not_baked_proven_and_published_again(bench: Bench) -> None:
    first = bench.cycle()
    assert (first.skipped, first.because) == ((), "")
    asked = len(bench.script.asked)
    second = bench.cycle()
    assert (second.image, second.verdict) == (first.image, None)
    assert second.published == dataclasses.replace(first.published, previous_image_id=None)
    assert second.skipped == ("bake", "verify", "publish")
    assert list(second.seconds) == ["plan", "sweep", "roll out"]
    plainly = f"inputs unchanged: {first.image.id} of 0.0 h ago is proven and published"
    assert second.because == f"{plainly}; --rebake bakes anyway"
    assert second.because in bench.report.said
    assert len(bench.script.asked) == asked, "no machine was asked anything"
    pipeline.write_result(second, bench.folder / "result.json")
    kept = json.loads((bench.folder / "result.json").read_text())
    assert (kept["skipped"], kept["verdict"]) == (["bake", "verify", "publish"], None)


def test_a_proven_image_that_the_pointer_does_not_name_is_verified_again(bench: Bench) -> None:
    first = bench.cycle()
    other = bench.cloud.base
    bench.ssm.put_parameter(Name=POINTER, Value=other, DataType="aws:ec2:image", Overwrite=True)
    bench.session.waiter.until(
        lambda: bench.pointer() == other or None, what="the pointer", deadline_seconds=20
    )
    second = bench.cycle()
    assert second.image == first.image
    assert second.verdict is not None
    assert first.verdict is not None
    assert second.verdict.run_id == second.run.id != first.verdict.run_id
    assert bench.pointer() == first.image.id
    assert second.published.previous_image_id == other
    assert second.skipped == ("bake",)
    assert list(second.seconds) == ["plan", "sweep", "verify", "publish", "roll out"]
    assert "the pointer does not name it: verified again" in second.because


def test_a_proven_image_that_fails_the_second_time_is_baked_anew(bench: Bench) -> None:
    first = bench.cycle()
    bench.ssm.delete_parameter(Name=POINTER)
    bench.script.owner_builder = "default"
    with pytest.raises(VerifyError):
        bench.cycle()
    assert bench.pointer() is None
    bench.script.owner_builder = "baked-vllm-builder"
    second = bench.cycle()
    assert (second.skipped, bench.pointer()) == ((), second.image.id)
    assert second.image.id != first.image.id


def test_other_inputs_are_baked(bench: Bench) -> None:
    first = bench.cycle()
    second = bench.cycle(spec(volume={"size_gib": 13}))
    assert (second.skipped, bench.pointer()) == ((), second.image.id)
    assert second.image.id != first.image.id


def test_an_image_that_is_too_old_is_baked_anew(bench: Bench) -> None:
    wanted = spec(max_age_hours=0)
    first, second = bench.cycle(wanted), bench.cycle(wanted)
    assert first.plan.digest == second.plan.digest
    assert second.skipped == ()
    assert second.image.id != first.image.id


def test_a_forced_image_is_baked_anew(bench: Bench) -> None:
    bench.script.owner_builder = "default"
    with pytest.raises(VerifyError):
        bench.cycle()
    (forced,) = bench.holdings()["images"]
    run, word = pipeline.new_run("cpu-build"), ForceReason(forced, "urgent")
    published = pipeline.publish_image(bench.image(), forced, word, run, bench.session)
    assert (bench.pointer(), published.forced) == (forced, "urgent")
    bench.script.owner_builder = "baked-vllm-builder"
    done = bench.cycle()
    assert (done.skipped, bench.pointer()) == ((), done.image.id)
    assert done.image.id != forced


def test_an_image_baked_alone_is_unjudged_until_the_next_cycle_takes_it_up(bench: Bench) -> None:
    run = pipeline.new_run("cpu-build")
    baked = pipeline.bake_image(bench.image(), run, bench.session)
    assert bench.holdings() == NOTHING | {
        "images": [baked.image.id],
        "snapshots": list(baked.image.snapshot_ids),
    }
    image = bench.ec2.describe_images(ImageIds=[baked.image.id])["Images"][0]
    tags = {tag["Key"]: tag["Value"] for tag in image["Tags"]}
    assert (tags[TAG_RUN], TAG_VERDICT in tags) == (run.id, False)
    assert list(baked.seconds) == ["plan", "sweep", "bake"]
    assert bench.pointer() is None
    done = bench.cycle()
    assert (done.image, done.skipped) == (baked.image, ())
    assert bench.pointer() == baked.image.id


def test_a_rebake_takes_up_nothing(bench: Bench) -> None:
    unjudged = pipeline.bake_image(
        bench.image(), pipeline.new_run("cpu-build"), bench.session
    ).image
    first = bench.cycle(rebake=True)
    second = bench.cycle(rebake=True)
    assert (first.skipped, second.skipped) == ((), ())
    assert len({unjudged.id, first.image.id, second.image.id}) == 3
    assert bench.pointer() == second.image.id


def test_a_bake_alone_fails_as_a_bake_and_leaves_nothing(bench: Bench) -> None:
    bench.script.refuse = failing("30-builder")
    with pytest.raises(BakeError):
        pipeline.bake_image(bench.image(), pipeline.new_run("cpu-build"), bench.session)
    assert bench.holdings() == NOTHING


def test_nothing_is_baked_or_published_while_another_run_works(bench: Bench) -> None:
    done = bench.cycle()
    verdict = read_verdict(bench.folder / "verdict.json")
    bench.ssm.delete_parameter(Name=POINTER)
    wanted, session, other = spec(), bench.session, pipeline.new_run("cpu-build")
    with lease.hold_lease(session.cloud.parameters, wanted.lease_path, other, 60, bench.report):
        for proof in (verdict, ForceReason(done.image.id, "urgent")):
            with pytest.raises(LeaseError, match=other.id):
                pipeline.publish_image(
                    bench.image(wanted),
                    done.image.id,
                    proof,
                    pipeline.new_run("cpu-build"),
                    session,
                )
        with pytest.raises(LeaseError, match=other.id):
            pipeline.bake_image(bench.image(wanted), pipeline.new_run("cpu-build"), session)
    assert bench.pointer() is None
    assert bench.holdings()["images"] == [done.image.id]


def test_what_publish_refuses_alone_is_an_error_of_publish(bench: Bench) -> None:
    run, word = pipeline.new_run("cpu-build"), ForceReason("ami-0aaaaaaaaaaaaaaaa", "urgent")
    with pytest.raises(PublishError, match="no image ami-0aaaaaaaaaaaaaaaa in us-east-1"):
        pipeline.publish_image(bench.image(), "ami-0aaaaaaaaaaaaaaaa", word, run, bench.session)


def test_a_failing_step_is_shown_and_nothing_stays(bench: Bench) -> None:
    bench.script.refuse = failing("30-builder")
    with pytest.raises(BakeError, match=r"steps/30-builder\.sh failed[\s\S]*it broke") as caught:
        bench.cycle()
    assert caught.value.exit_code == 4
    assert bench.holdings() == NOTHING


def test_an_interrupt_in_mid_bake_leaves_nothing(bench: Bench) -> None:
    def interrupt(command: str) -> None:
        if "40-images" in command:
            raise Interrupted

    bench.script.refuse = interrupt
    with pytest.raises(Interrupted):
        bench.cycle()
    assert bench.holdings() == NOTHING


def test_a_guest_that_does_not_let_us_in_at_once_is_waited_for(bench: Bench) -> None:
    bench.script.knocks_before_answer = 3
    bench.cycle()
    assert bench.script.asked.count("knock") == 3 + 2


def test_a_missing_source_image_is_named_before_anything_is_made(bench: Bench) -> None:
    source = {"name": "no-such-image-*", "owner": "self"}
    with pytest.raises(PreflightError, match=r"no-such-image-\*"):
        bench.cycle(spec(source=source))
    assert bench.holdings() == NOTHING


def test_two_runs_at_once_one_works_and_the_other_leaves(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[AmikilnError] = []

    def bake_beside_another_run(*args: Any, **options: Any) -> Any:
        with pytest.raises(LeaseError) as caught:
            bench.cycle()
        refused.append(caught.value)
        return real_bake(*args, **options)

    monkeypatch.setattr(pipeline, "bake", bake_beside_another_run)
    done = bench.cycle()
    assert done.run.id in refused[0].what
    assert bench.pointer() == done.image.id


def test_what_a_killed_run_left_is_removed_only_after_its_lease_lapsed(bench: Bench) -> None:
    class Killed(BaseException):
        pass

    def die(command: str) -> None:
        if "40-images" in command:
            raise Killed

    wanted = spec(deadlines={"lease_seconds": 3})
    bench.script.refuse = die
    # A killed process takes nothing back and releases no lease.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("amikiln.runtime.cleanup.Undo.__exit__", lambda *args: None)
        patch.setattr("amikiln.catalog.lease.Lease.release", lambda self: None)
        with pytest.raises(Killed):
            bench.cycle(wanted)
    left = bench.holdings()
    assert (len(left["instances"]), len(left["keys"]), len(left["groups"])) == (1, 1, 1)

    bench.script.refuse = lambda command: None
    with pytest.raises(LeaseError):
        bench.cycle(wanted)
    assert bench.holdings() == left

    # As when its time has passed: who reads it goes by when it was written, and the cloud's clock,
    # which is read in whole seconds.
    with bench.cloud.cloud.lock:
        for versions in bench.cloud.ssm_backend._parameters.values():
            versions[-1].last_modified_date -= timedelta(seconds=wanted.deadlines.lease_seconds + 1)
    bench.cycle(wanted)
    assert bench.holdings() | {"images": [], "snapshots": []} == NOTHING
    assert len(bench.holdings()["images"]) == 1
