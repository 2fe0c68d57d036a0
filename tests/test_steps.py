"""The whole cycle against the local cloud's API, with machines that only pretend."""

from __future__ import annotations

import json
from typing import Any

import pytest

from amikiln import steps
from amikiln.bake import bake as real_bake
from amikiln.errors import (
    AmikilnError,
    BakeError,
    Interrupted,
    LeaseError,
    PreflightError,
    VerifyError,
)
from amikiln.model import TAG_IMAGE, TAG_RUN, TAG_VERDICT, TAG_VERDICT_HASH
from bench import NOTHING, Bench
from pretend_tools import failing, spec


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
    assert (tags[TAG_VERDICT], tags[TAG_VERDICT_HASH]) == ("pass", done.verdict.sha256)
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
    assert steps_run[-1] == "95-seal"


def test_a_second_cycle_replaces_the_pointer_and_keeps_the_first_image(bench: Bench) -> None:
    first, second = bench.cycle(), bench.cycle()
    assert second.published.previous_image_id == first.image.id
    assert second.published.version == 2
    assert sorted(bench.holdings()["images"]) == sorted([first.image.id, second.image.id])


def test_an_image_that_fails_a_check_is_not_published(bench: Bench) -> None:
    first = bench.cycle()
    bench.script.owner_builder = "default"
    with pytest.raises(VerifyError, match=r"builder-answers: .*default") as caught:
        bench.cycle()
    assert caught.value.exit_code == 5
    assert bench.pointer() == first.image.id
    assert json.loads((bench.folder / "verdict.json").read_text())["outcome"] == "fail"


def test_a_check_that_cannot_be_carried_out_is_no_pass(bench: Bench) -> None:
    bench.script.refuse = failing("manifest.json")
    with pytest.raises(VerifyError, match="manifest-as-planned"):
        bench.cycle()
    assert bench.pointer() is None


def test_an_unproven_image_goes_with_the_next_run(bench: Bench) -> None:
    bench.script.owner_builder = "default"
    with pytest.raises(VerifyError):
        bench.cycle()
    left = bench.holdings()["images"]
    bench.script.owner_builder = "baked-vllm-builder"
    done = bench.cycle()
    assert left != []
    assert bench.holdings()["images"] == [done.image.id]


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

    monkeypatch.setattr(steps, "bake", bake_beside_another_run)
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
        patch.setattr("amikiln.undo.Undo.__exit__", lambda *args: None)
        patch.setattr("amikiln.lease.Lease.release", lambda self: None)
        with pytest.raises(Killed):
            bench.cycle(wanted)
    left = bench.holdings()
    assert (len(left["instances"]), len(left["keys"]), len(left["groups"])) == (1, 1, 1)

    bench.script.refuse = lambda command: None
    with pytest.raises(LeaseError):
        bench.cycle(wanted)
    assert bench.holdings() == left

    def lapsed() -> bool | None:
        try:
            bench.cycle(wanted)
        except LeaseError:
            return None
        return True

    bench.tools.waiter.until(lapsed, what="the lease to lapse", deadline_seconds=60)
    assert bench.holdings() | {"images": [], "snapshots": []} == NOTHING
    assert len(bench.holdings()["images"]) == 1
