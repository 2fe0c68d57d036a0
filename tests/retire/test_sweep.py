"""Sweep: what dead runs left goes, what may be needed stays."""

from __future__ import annotations

import dataclasses

import pytest

from amikiln import pipeline
from amikiln.catalog.images import list_images
from amikiln.catalog.tags import TAG_IMAGE, TAG_RUN
from amikiln.errors import BakeError, VerifyError
from amikiln.model.run import Run
from amikiln.retire.sweep import sweep
from bench import POINTER, Bench
from fakes import plan


def sweep_as(run: Run, bench: Bench) -> list[str]:
    return sweep(run, plan(), list_images("cpu-build", bench.session), bench.session)


def sweep_as_next_run(bench: Bench) -> list[str]:
    return sweep_as(pipeline.new_run("cpu-build"), bench)


def unproven_image(bench: Bench) -> str:
    bench.script.owner_builder = "default"
    with pytest.raises(VerifyError):
        bench.cycle()
    bench.script.owner_builder = "baked-vllm-builder"
    return bench.holdings()["images"][0]


def test_an_unproven_image_goes_with_its_snapshots(bench: Bench) -> None:
    image_id = unproven_image(bench)
    assert sweep_as_next_run(bench) == [f"image {image_id}"]
    assert bench.holdings()["snapshots"] == []


def test_an_image_that_failed_is_not_taken_up_but_removed(bench: Bench) -> None:
    bench.hypervisor.fail_next("save", "no space left")
    with pytest.MonkeyPatch.context() as patch:
        # As after a kill: nothing is taken back.
        patch.setattr("amikiln.runtime.cleanup.Undo.__exit__", lambda *args: None)
        with pytest.raises(BakeError, match="no space left"):
            bench.cycle()
    (failed,) = bench.holdings()["images"]
    done = bench.cycle()
    assert done.image.id != failed
    assert bench.holdings()["images"] == [done.image.id]


def test_a_proven_image_stays(bench: Bench) -> None:
    bench.cycle()
    assert sweep_as_next_run(bench) == []


def test_an_image_that_the_pointer_once_named_stays(bench: Bench) -> None:
    image_id = unproven_image(bench)
    bench.ssm.put_parameter(Name=POINTER, Value=image_id, Type="String")
    bench.ssm.put_parameter(Name=POINTER, Value="ami-0aaaaaaaaaaaaaaaa", Overwrite=True)
    assert sweep_as_next_run(bench) == []


def test_an_image_that_a_machine_runs_stays(bench: Bench) -> None:
    image_id = unproven_image(bench)
    bench.ec2.run_instances(ImageId=image_id, MinCount=1, MaxCount=1, InstanceType="t3.micro")
    assert sweep_as_next_run(bench) == []


def test_the_runs_own_things_stay(bench: Bench) -> None:
    unproven_image(bench)
    tags = bench.ec2.describe_images(Owners=["self"])["Images"][0]["Tags"]
    run_id = next(tag["Value"] for tag in tags if tag["Key"] == TAG_RUN)
    own = dataclasses.replace(pipeline.new_run("cpu-build"), id=run_id)
    assert sweep_as(own, bench) == []


def test_other_images_and_things_without_tags_are_not_looked_at(bench: Bench) -> None:
    tags = [
        {"Key": TAG_IMAGE, "Value": "another-image"},
        {"Key": TAG_RUN, "Value": "another-run"},
    ]
    for name, listed in {"other": tags, "plain": []}.items():
        bench.ec2.create_key_pair(
            KeyName=name,
            TagSpecifications=[{"ResourceType": "key-pair", "Tags": listed}] if listed else [],
        )
    assert sweep_as_next_run(bench) == []
    assert sorted(bench.holdings()["keys"]) == ["other", "plain"]


def test_a_snapshot_whose_image_is_gone_is_removed(bench: Bench) -> None:
    image_id = unproven_image(bench)
    snapshots = bench.holdings()["snapshots"]
    bench.ec2.deregister_image(ImageId=image_id)
    assert sweep_as_next_run(bench) == [f"snapshot {snapshot}" for snapshot in snapshots]
