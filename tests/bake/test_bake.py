"""Bake: finished images are taken up, failed machines can be kept, own steps run."""

from __future__ import annotations

import pytest

from amikiln.catalog.tags import TAG_DIGEST, TAG_KEPT, TAG_PROOF
from amikiln.errors import BakeError, VerifyError
from amikiln.runtime.guest import GuestUnreachable
from bench import NOTHING, Bench
from fakes import failing, spec


def fail_verify(bench: Bench) -> None:
    """Let the machine of verify be lost, after the bake finished."""

    def refuse(command: str) -> None:
        if "is-system-running" in command:
            raise GuestUnreachable("lost the machine")

    bench.script.refuse = refuse


def test_a_finished_image_is_taken_up_by_the_next_run(bench: Bench) -> None:
    fail_verify(bench)
    with pytest.raises(Exception, match="lost the machine"):
        bench.cycle()
    (finished,) = bench.holdings()["images"]
    bench.script.refuse = lambda command: None
    bench.script.asked.clear()
    done = bench.cycle()
    assert done.image.id == finished
    assert bench.pointer() == finished
    assert not [asked for asked in bench.script.asked if "steps/" in asked]


def test_an_image_of_other_inputs_is_not_taken_up_but_removed(bench: Bench) -> None:
    fail_verify(bench)
    with pytest.raises(Exception, match="lost the machine"):
        bench.cycle()
    (finished,) = bench.holdings()["images"]
    bench.script.refuse = lambda command: None
    done = bench.cycle(spec(volume={"size_gib": 13}))
    assert bench.holdings()["images"] == [done.image.id]
    assert done.image.id != finished


def test_a_kept_machine_stays_with_the_words_to_get_in_and_rid_of_it(bench: Bench) -> None:
    bench.script.refuse = failing("30-builder")
    with pytest.raises(BakeError):
        bench.cycle(keep_on_error=True)
    (instance_id,) = bench.holdings()["instances"]
    said = "\n".join(bench.report.said)
    assert f"kept {instance_id}" in said
    assert "ssh -i " in said
    assert f"terminate-instances --region us-east-1 --instance-ids {instance_id}" in said
    assert "systemctl stop amikiln-end.timer" in bench.script.asked

    bench.script.refuse = lambda command: None
    bench.cycle()
    left = bench.holdings()
    assert left["instances"] == [instance_id]
    assert (len(left["keys"]), len(left["groups"])) == (1, 1)
    tags = bench.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]
    assert TAG_KEPT in [tag["Key"] for tag in tags["Instances"][0]["Tags"]]

    bench.ec2.terminate_instances(InstanceIds=[instance_id])
    bench.cycle()
    assert bench.holdings() | {"images": [], "snapshots": []} == NOTHING


def test_a_machine_that_nobody_can_log_in_to_shows_its_console(bench: Bench) -> None:
    bench.script.knocks_before_answer = 1_000_000
    wanted = spec(deadlines={"boot_seconds": 1})
    with pytest.raises(BakeError, match="ssh's last words: Connection refused") as caught:
        bench.cycle(wanted)
    assert "its console's last lines:\nbooted i-" in caught.value.what
    assert bench.holdings() == NOTHING


def write_check(bench: Bench) -> None:
    """Ask for more than before of the same disk."""
    (bench.folder / "checks").mkdir()
    (bench.folder / "checks" / "models.sh").write_text("echo all there\n")


def test_the_same_disk_with_something_else_to_prove_is_verified_anew_and_not_baked_anew(
    bench: Bench,
) -> None:
    first = bench.cycle()
    write_check(bench)
    bench.script.asked.clear()
    second = bench.cycle()
    assert second.image.id == first.image.id
    assert second.plan.digest == first.plan.digest
    assert second.plan.proof_digest != first.plan.proof_digest
    assert not [asked for asked in bench.script.asked if "steps/" in asked]
    assert second.verdict is not None
    assert "own-models" in [check.name for check in second.verdict.checks]
    assert bench.holdings()["images"] == [first.image.id]
    assert bench.cycle().skipped == ("bake", "verify", "publish")


def test_a_deadline_or_a_schedule_changes_nothing(bench: Bench) -> None:
    first = bench.cycle()
    second = bench.cycle(spec(deadlines={"step_seconds": 77}, schedule="7 7 * * *"))
    assert second.skipped == ("bake", "verify", "publish")
    assert second.image.id == first.image.id


def test_an_image_that_failed_is_verified_anew_when_something_else_has_to_be_proven(
    bench: Bench,
) -> None:
    bench.script.free_inodes = 5
    with pytest.raises(VerifyError, match="room-on-disk"):
        bench.cycle()
    (failed,) = bench.holdings()["images"]
    bench.script.asked.clear()
    done = bench.cycle(spec(verify={"minimum_free_inodes": 5}))
    assert done.image.id == bench.pointer() == failed
    assert not [asked for asked in bench.script.asked if "steps/" in asked]


def test_an_image_that_fails_what_is_asked_for_now_stays_published_and_is_baked_anew(
    bench: Bench,
) -> None:
    first = bench.cycle()
    write_check(bench)
    bench.script.refuse = failing("sh -eu -s")
    with pytest.raises(VerifyError, match="own-models"):
        bench.cycle()
    assert bench.pointer() == first.image.id
    bench.script.refuse = lambda command: None
    second = bench.cycle()
    assert second.image.id != first.image.id
    assert bench.pointer() == second.image.id


def test_an_old_image_with_something_else_to_prove_is_baked_anew(bench: Bench) -> None:
    first = bench.cycle()
    write_check(bench)
    second = bench.cycle(spec(max_age_hours=0))
    assert second.image.id != first.image.id


def test_an_image_of_the_former_single_digest_is_never_used_for_a_plan_and_stays(
    bench: Bench,
) -> None:
    former = bench.cycle().image.id
    bench.session.cloud.images.tag(former, {TAG_DIGEST: "f" * 64})
    bench.ec2.delete_tags(Resources=[former], Tags=[{"Key": TAG_PROOF}])
    second = bench.cycle()
    assert second.image.id != former
    assert second.published.previous_image_id == former
    assert sorted(bench.holdings()["images"]) == sorted([former, second.image.id])
