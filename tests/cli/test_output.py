"""Results as text: whole, and as they are."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from amikiln.catalog.states import ImageState
from amikiln.cli import output
from amikiln.model.image import Image, PublishResult
from amikiln.model.result import BakeResult, RunResult
from amikiln.model.run import Run
from amikiln.report.status import ImageLine, Status
from fakes import plan
from verdicts import check_result, verdict


def test_a_plan_tells_everything_that_was_resolved(capsys: pytest.CaptureFixture[str]) -> None:
    planned = plan()
    output.print_plan(planned)
    shown = capsys.readouterr().out
    for fact in (
        planned.digest,
        planned.proof_digest,
        planned.source.id,
        planned.buildkit.by_digest,
        planned.images[0].digest,
        planned.network.subnet_ids[0],
        "its own, ssh from 127.0.0.1/32",
        "gp3, 12 GiB, 6000 IOPS, 500 MiB/s",
        "max-parallelism 16, gc false",
        "steps/10-docker.sh",
        "deprecated 7 days later",
        "/buildkite/cpu-build-ami/us-east-1 (aws:ec2:image)",
    ):
        assert fact in shown


def test_brackets_in_names_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_plan(plan(ami_name_prefix="[bold]image[/bold]"))
    assert "[bold]image[/bold]-..." in capsys.readouterr().out


def test_the_same_plan_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    planned = dataclasses.replace(plan(), own_steps={"steps/45-after-images.sh": b"true\n"})
    output.print_json(planned)
    shown = json.loads(capsys.readouterr().out)
    assert shown["own_steps"] == {"steps/45-after-images.sh": "true\n"}
    assert shown["digest"] == planned.digest
    assert shown["spec"]["buildkit"]["max_parallelism"] == 16


@pytest.fixture
def done() -> RunResult:
    planned = plan()
    image = Image("ami-1", "test-image-1", "us-east-1", planned.digest, ("snap-1",))
    return RunResult(
        Run("cpu-build-1", "cpu-build"),
        planned,
        image,
        verdict(check_result(evidence="running"), digest=planned.digest, run_id="cpu-build-1"),
        PublishResult("/pointer", 7, "ami-1", "ami-0"),
        (),
        {"plan": 0.5, "bake": 61.2},
        (),
        "",
    )


def test_a_cycle_tells_its_verdict_and_where_its_time_went(
    capsys: pytest.CaptureFixture[str], done: RunResult
) -> None:
    output.print_run(done, 1.0)
    shown = capsys.readouterr().out
    for fact in (
        "pass: boot-finished",
        "/pointer = ami-1 (version 7; before: ami-0)",
        "plan 0.5, bake 61.2",
    ):
        assert fact in shown
    assert "skipped" not in shown


def test_a_cycle_tells_which_groups_there_are_not(
    capsys: pytest.CaptureFixture[str], done: RunResult
) -> None:
    output.print_run(done, 1.0)
    assert "NOT THERE" not in capsys.readouterr().out
    done = dataclasses.replace(done, missing_groups=("Auto Scaling group cpu-bulid",))
    output.print_run(done, 1.0)
    assert "Auto Scaling group cpu-bulid: nothing launches" in capsys.readouterr().out
    output.print_json({"cycle": done})
    cycle = json.loads(capsys.readouterr().out)["cycle"]
    assert cycle["missing_groups"] == ["Auto Scaling group cpu-bulid"]


def test_a_run_and_a_verdict_tell_on_what_machine_it_was_checked(
    capsys: pytest.CaptureFixture[str], done: RunResult
) -> None:
    container = verdict(check_result(), machine="systemd-nspawn")
    output.print_run(dataclasses.replace(done, verdict=container), 1.0)
    output.print_verdict(container, Path("verdict.json"))
    shown = capsys.readouterr().out
    assert shown.count("systemd-nspawn, a container: the kernel is its host's") == 2


def test_a_cycle_tells_what_it_skipped_and_why(
    capsys: pytest.CaptureFixture[str], done: RunResult
) -> None:
    skipped = ("bake", "verify", "publish")
    done = dataclasses.replace(done, verdict=None, skipped=skipped, because="inputs unchanged")
    output.print_run(done, 1.0)
    shown = capsys.readouterr().out
    assert "bake, verify, publish: inputs unchanged" in shown
    assert "verdict" not in shown
    output.print_json({"cycle": done})
    cycle = json.loads(capsys.readouterr().out)["cycle"]
    assert (cycle["skipped"], cycle["because"]) == (list(skipped), "inputs unchanged")
    assert cycle["verdict"] is None


def test_an_image_baked_alone_is_told_to_have_no_verdict(
    capsys: pytest.CaptureFixture[str], done: RunResult
) -> None:
    output.print_bake(BakeResult(done.run, done.plan.digest, done.image, done.seconds))
    shown = capsys.readouterr().out
    for fact in ("ami-1 (test-image-1)", done.plan.digest, "none yet", "plan 0.5, bake 61.2"):
        assert fact in shown


def test_what_was_published_without_proof_says_so(
    capsys: pytest.CaptureFixture[str], done: RunResult
) -> None:
    output.print_publish(done.published)
    shown = capsys.readouterr().out
    assert "/pointer = ami-1 (version 7; before: ami-0)" in shown
    assert "WITHOUT" not in shown
    output.print_publish(dataclasses.replace(done.published, forced="[urgent]"))
    assert "[urgent]" in capsys.readouterr().out


def test_status_shows_a_reason_whole(capsys: pytest.CaptureFixture[str]) -> None:
    reason = "word " * 50 + "end"
    state = ImageState.FORCED_FAILED
    line = ImageLine("ami-1", "n", "", "available", "fail", "r", "d", None, True, reason, (), state)
    plain = dataclasses.replace(
        line, id="ami-2", published=False, forced=None, life=ImageState.FAILED
    )
    found = Status("cpu-build", "us-east-1", "/pointer", 7, "ami-1", (line, plain), (), ())
    output.print_status(found)
    shown = capsys.readouterr().out
    assert f"ami-1 was published WITHOUT PROOF: {reason}\n" in shown
    assert "ami-2 was published" not in shown
    output.print_json(found)
    images = json.loads(capsys.readouterr().out)["images"]
    assert [image["forced"] for image in images] == [reason, None]
    assert [image["life"] for image in images] == ["forced-failed", "failed"]
