"""Results as text: whole, and as they are."""

from __future__ import annotations

import dataclasses
import json

import pytest

from amikiln import tables
from pretend_tools import plan


def test_a_plan_tells_everything_that_was_resolved(capsys: pytest.CaptureFixture[str]) -> None:
    planned = plan()
    tables.print_plan(planned)
    shown = capsys.readouterr().out
    for fact in (
        planned.digest,
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
    tables.print_plan(plan(ami_name_prefix="[bold]image[/bold]"))
    assert "[bold]image[/bold]-..." in capsys.readouterr().out


def test_the_same_plan_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    planned = dataclasses.replace(plan(), own_steps={"steps/45-after-images.sh": b"true\n"})
    tables.print_json(planned)
    shown = json.loads(capsys.readouterr().out)
    assert shown["own_steps"] == {"steps/45-after-images.sh": "true\n"}
    assert shown["digest"] == planned.digest
    assert shown["spec"]["buildkit"]["max_parallelism"] == 16
