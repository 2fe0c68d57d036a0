"""Sweep: what dead runs left goes, what may be needed stays."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from amikiln import pipeline
from amikiln.aws.requests import tag_specifications
from amikiln.catalog.images import list_images
from amikiln.catalog.tags import TAG_IMAGE, TAG_RUN, tags_for_spec
from amikiln.errors import BakeError, VerifyError
from amikiln.model.run import Run
from amikiln.retire.sweep import sweep
from amikiln.runtime.wait import DeadlinePassed
from amikiln.session import Session
from fakes import plan, spec
from harness import POINTER, Harness


def sweep_as(run: Run, harness: Harness) -> list[str]:
    return sweep(run, plan(), list_images("cpu-build", harness.session), harness.session)


def sweep_as_next_run(harness: Harness) -> list[str]:
    return sweep_as(pipeline.new_run("cpu-build"), harness)


def unproven_image(harness: Harness) -> str:
    harness.script.owner_builder = "default"
    with pytest.raises(VerifyError):
        harness.run()
    harness.script.owner_builder = "baked-vllm-builder"
    return harness.holdings()["images"][0]


def test_an_unproven_image_goes_with_its_snapshots(harness: Harness) -> None:
    image_id = unproven_image(harness)
    assert sweep_as_next_run(harness) == [f"image {image_id}"]
    assert harness.holdings()["snapshots"] == []


def test_an_image_that_failed_is_not_taken_up_but_removed(harness: Harness) -> None:
    harness.hypervisor.fail_next("save", "no space left")
    with pytest.MonkeyPatch.context() as patch:
        # As after a kill: nothing is taken back.
        patch.setattr("amikiln.runtime.cleanup.Undo.__exit__", lambda *args: None)
        with pytest.raises(BakeError, match="no space left"):
            harness.run()
    (failed,) = harness.holdings()["images"]
    done = harness.run()
    assert done.image.id != failed
    assert harness.holdings()["images"] == [done.image.id]


def baked_image(harness: Harness) -> str:
    """Bake an image of other inputs than those that are swept for, and do not verify it."""
    folder = harness.image(spec(volume={"size_gib": 13}))
    return pipeline.bake_image(folder, pipeline.new_run("cpu-build"), harness.session).image.id


def test_a_second_bake_between_the_steps_of_a_pipeline_leaves_the_first_image(
    harness: Harness,
) -> None:
    first, other = baked_image(harness), spec(volume={"size_gib": 14})
    second = pipeline.bake_image(
        harness.image(other), pipeline.new_run("cpu-build"), harness.session
    ).image.id
    assert sorted(harness.holdings()["images"]) == sorted([first, second])
    wanted, file = harness.image(spec(volume={"size_gib": 13})), harness.folder / "verdict.json"
    proof = pipeline.verify_image(
        wanted, first, pipeline.new_run("cpu-build"), harness.session, file
    )
    assert proof.verdict.outcome == "pass"


@pytest.mark.parametrize(
    ("age", "stays"),
    [(timedelta(hours=23), True), (timedelta(hours=25), False), (timedelta(hours=-1), True)],
)
def test_an_image_that_nobody_verified_stays_for_a_day(
    age: timedelta, stays: bool, harness: Harness
) -> None:
    baked_image(harness)
    (image,) = list_images("cpu-build", harness.session)
    created = (datetime.now(UTC) - age).isoformat()
    aged = dataclasses.replace(image, record=dataclasses.replace(image.record, created=created))
    removed = sweep(pipeline.new_run("cpu-build"), plan(), [aged], harness.session)
    assert (removed == []) is stays


def test_a_proven_image_stays(harness: Harness) -> None:
    harness.run()
    assert sweep_as_next_run(harness) == []


def test_an_image_that_the_pointer_once_named_stays(harness: Harness) -> None:
    image_id = unproven_image(harness)
    harness.ssm.put_parameter(Name=POINTER, Value=image_id, Type="String")
    harness.ssm.put_parameter(Name=POINTER, Value="ami-0aaaaaaaaaaaaaaaa", Overwrite=True)
    assert sweep_as_next_run(harness) == []


def test_an_image_that_a_machine_runs_stays(harness: Harness) -> None:
    image_id = unproven_image(harness)
    harness.ec2.run_instances(ImageId=image_id, MinCount=1, MaxCount=1, InstanceType="t3.micro")
    assert sweep_as_next_run(harness) == []


def test_the_runs_own_things_stay(harness: Harness) -> None:
    unproven_image(harness)
    tags = harness.ec2.describe_images(Owners=["self"])["Images"][0]["Tags"]
    run_id = next(tag["Value"] for tag in tags if tag["Key"] == TAG_RUN)
    own = dataclasses.replace(pipeline.new_run("cpu-build"), id=run_id)
    assert sweep_as(own, harness) == []


def test_other_images_and_things_without_tags_are_not_looked_at(harness: Harness) -> None:
    tags = [
        {"Key": TAG_IMAGE, "Value": "another-image"},
        {"Key": TAG_RUN, "Value": "another-run"},
    ]
    for name, listed in {"other": tags, "plain": []}.items():
        harness.ec2.create_key_pair(
            KeyName=name,
            TagSpecifications=[{"ResourceType": "key-pair", "Tags": listed}] if listed else [],
        )
    assert sweep_as_next_run(harness) == []
    assert sorted(harness.holdings()["keys"]) == ["other", "plain"]


def test_a_snapshot_whose_image_is_gone_is_removed(harness: Harness) -> None:
    image_id = unproven_image(harness)
    snapshots = harness.holdings()["snapshots"]
    harness.ec2.deregister_image(ImageId=image_id)
    assert sweep_as_next_run(harness) == [f"snapshot {snapshot}" for snapshot in snapshots]


def test_a_machine_that_does_not_end_in_time_is_reported_and_stops_no_run(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(session: Session, instance_id: str) -> None:
        raise DeadlinePassed(f"gave up after 600 s: instance {instance_id} to be gone")

    tags = {**tags_for_spec("cpu-build"), TAG_RUN: "dead"}
    left = harness.cloud.run_to(TagSpecifications=tag_specifications(("instance",), tags))
    monkeypatch.setattr("amikiln.machine.instance.end", never)
    assert sweep_as_next_run(harness) == []
    assert f"cannot remove instance {left} of a dead run: gave up" in harness.report.read()
