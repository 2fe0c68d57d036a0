"""Bake: finished images are taken up, failed machines can be kept, own steps run."""

from __future__ import annotations

import pytest

from amikiln.catalog.tags import TAG_KEPT
from amikiln.errors import BakeError
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
    done = bench.cycle(spec(deprecate_days=9))
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
