"""Several runs of one plan: whatever moves between them, they work on the same inputs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from amikiln import pipeline
from amikiln.errors import BakeError, PreflightError
from amikiln.model.image import Image
from amikiln.model.plan import PinnedImage
from amikiln.model.plan_file import serialize
from amikiln.plan import registries
from amikiln.plan.file import read_plan
from amikiln.plan.resolve import plan as make_plan
from fakes import fail_on, pin, spec
from harness import NOTHING, Harness


def pin_later(references: Iterable[str], architecture: str) -> tuple[PinnedImage, ...]:
    """A registry in which every tag was pushed again, and every digest is there still."""
    return tuple(
        image if "@" in image.reference else PinnedImage(image.reference, "sha256:" + "9" * 64)
        for image in pin(references, architecture)
    )


@pytest.fixture
def plan_file(harness: Harness) -> Path:
    file = harness.folder / "plan.json"
    file.write_bytes(serialize(make_plan(harness.image(), harness.session, pin)))
    return file


def bake(harness: Harness, plan: Path | None, **options: Any) -> Image:
    run = pipeline.new_run("cpu-build")
    file = read_plan(plan) if plan is not None else None
    return pipeline.bake_image(
        harness.image(), run, harness.session, plan_file=file, **options
    ).image


def verify(harness: Harness, image: Image, plan: Path | None) -> dict[str, Any]:
    verdict = harness.folder / "verdict.json"
    pipeline.verify_image(
        harness.image(),
        image.id,
        pipeline.new_run("cpu-build"),
        harness.session,
        verdict,
        plan_file=read_plan(plan) if plan is not None else None,
    )
    found: dict[str, Any] = json.loads(verdict.read_text())
    return found


def test_two_bakes_of_one_plan_have_the_same_inputs(
    harness: Harness, plan_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bake(harness, plan_file)
    # A proven image would have stopped the second bake: this one is gone.
    harness.ec2.deregister_image(ImageId=first.id)
    monkeypatch.setattr("harness.pin", pin_later)
    second = bake(harness, plan_file)
    assert (second.id != first.id, second.digest) == (True, first.digest)
    assert bake(harness, None).digest != first.digest, "as without a plan"
    assert verify(harness, second, plan_file)["outcome"] == "pass"


def test_a_bake_that_failed_is_retried_with_the_same_plan(
    harness: Harness, plan_file: Path
) -> None:
    harness.script.refuse = fail_on("steps/50-warm")
    with pytest.raises(BakeError, match="it broke"):
        bake(harness, plan_file)
    harness.script.refuse = lambda command: None
    image = bake(harness, plan_file)
    assert image.digest == read_plan(plan_file).fields["digest"]


def test_the_verdict_names_the_plan(harness: Harness, plan_file: Path) -> None:
    image = bake(harness, plan_file)
    first, retried = (verify(harness, image, plan_file) for _ in range(2))
    assert first["plan_sha256"] == retried["plan_sha256"] == read_plan(plan_file).sha256
    assert first["digest"] == image.digest
    # Without a file there is a plan, too, of another time.
    assert len(verify(harness, image, None)["plan_sha256"]) == 64


def test_a_run_uses_a_plan_and_says_which(harness: Harness, plan_file: Path) -> None:
    file = read_plan(plan_file)
    result = harness.run(plan_file=file)
    assert result.plan.digest == file.fields["digest"]
    assert result.verdict is not None
    assert result.verdict.plan_sha256 == file.sha256
    said = f"plan {plan_file} of {file.origin.planned_at}, SHA-256 {file.sha256}"
    assert said in harness.report.said


def test_what_a_run_needs_is_looked_for_with_a_plan_too(
    harness: Harness, plan_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Preflight is for every run: a plan says nothing about secrets and credentials."""
    file = read_plan(plan_file)
    monkeypatch.setitem(harness.session.secrets, "more", "x")  # type: ignore[arg-type]
    with pytest.raises(
        PreflightError, match=r"the secret more is given, and neither warm\.secrets nor"
    ):
        bake(harness, plan_file)
    assert file.content == plan_file.read_bytes()
    assert harness.holdings() == NOTHING


def test_a_plan_that_does_not_hold_makes_nothing(harness: Harness, plan_file: Path) -> None:
    run, changed = pipeline.new_run("cpu-build"), harness.image(spec(volume={"size_gib": 13}))
    with pytest.raises(PreflightError, match=r"volume\.size_gib is 13, and was 12 when planned"):
        pipeline.bake_image(changed, run, harness.session, plan_file=read_plan(plan_file))
    assert harness.holdings() == NOTHING
    assert registries.pin is not pin
