"""A cycle that fails, is interrupted or killed, or meets another run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from amikiln import pipeline
from amikiln.aws.credentials import CredentialsEnded
from amikiln.bake.bake import bake as real_bake
from amikiln.catalog import lease
from amikiln.errors import (
    AmikilnError,
    BakeError,
    Interrupted,
    LeaseError,
    PreflightError,
    PublishError,
)
from amikiln.model.image import ForceReason
from amikiln.publish.proof import read_verdict
from fakes import fail_on, spec
from harness import NOTHING, POINTER, Harness


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
    with lease.hold_lease(session.cloud.parameters, wanted.lease_path, other, 60, session.waiter):
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


def test_credentials_that_end_in_mid_bake_are_named_and_the_next_run_removes_what_stayed(
    harness: Harness,
) -> None:
    clients = [harness.session.cloud.network._client, *harness.clients()]
    ended: list[str] = []

    def end(command: str) -> None:
        if "90-" in command and not ended:
            ended.append(command)
            for client in clients:
                client.meta.events.register("before-call", refuse)

    def refuse(**call: Any) -> None:
        raise CredentialsEnded(source="env", ends="2026-11-24 18:00 UTC")

    harness.script.refuse = end
    with pytest.raises(BakeError, match=r"credentials \(env\) ended at 2026-11-24 18:00") as caught:
        harness.run()
    assert "start the run again" in str(caught.value.hint)
    assert ended
    assert "left behind: instance amikiln-cpu-build-" in harness.report.read()
    assert harness.holdings()["instances"] != []
    for client in clients:
        client.meta.events.unregister("before-call", refuse)
    # Its lease could not be given back: it lapses.
    name = f"{spec().lease_path}/1"
    held = harness.ssm.get_parameter(Name=name)["Parameter"]["Value"]
    lapsed = held.replace('"released": false', '"released": true')
    assert lapsed != held
    harness.ssm.put_parameter(Name=name, Value=lapsed, Type="String", Overwrite=True)
    done = harness.run()
    assert harness.holdings() == {
        **NOTHING,
        "images": [done.image.id],
        "snapshots": list(done.image.snapshot_ids),
    }


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
