"""Publish: nothing but a proven image, and nothing without the lease."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from amikiln import lease, steps
from amikiln.errors import LeaseError, PublishError
from amikiln.model import TAG_VERDICT, CheckResult, Image, Outcome, Verdict
from amikiln.publish import publish
from bench import POINTER, Bench
from pretend_tools import plan


@pytest.fixture
def held(bench: Bench) -> Iterator[lease.Lease]:
    run, report = steps.new_run("cpu-build"), bench.report
    with ExitStack() as stack:
        yield stack.enter_context(
            lease.held(bench.tools.cloud.parameters, "/amikiln/x/lease", run, 60, report)
        )


@pytest.fixture
def proven(bench: Bench) -> tuple[Image, Verdict]:
    """An image that a cycle proved; the pointer is taken away again."""
    done = bench.cycle()
    bench.ssm.delete_parameter(Name=POINTER)
    return done.image, done.verdict


def publish_it(bench: Bench, held: lease.Lease, image: Image, verdict: Verdict) -> Any:
    return publish(verdict, image, plan(), held, bench.tools)


def test_a_proven_image_is_published(
    bench: Bench, held: lease.Lease, proven: tuple[Image, Verdict]
) -> None:
    image, verdict = proven
    published = publish_it(bench, held, image, verdict)
    assert (published.version, published.previous_image_id) == (1, None)
    assert bench.pointer() == image.id


def test_publishing_twice_writes_once(
    bench: Bench, held: lease.Lease, proven: tuple[Image, Verdict]
) -> None:
    first = publish_it(bench, held, *proven)
    assert publish_it(bench, held, *proven).version == first.version


def test_a_verdict_about_another_image_is_refused(
    bench: Bench, held: lease.Lease, proven: tuple[Image, Verdict]
) -> None:
    image, verdict = proven
    with pytest.raises(PublishError, match="the verdict is about"):
        publish_it(bench, held, dataclasses.replace(image, id="ami-other"), verdict)
    with pytest.raises(PublishError, match="the verdict is about"):
        publish_it(bench, held, dataclasses.replace(image, digest="other"), verdict)
    assert bench.pointer() is None


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.UNKNOWN])
def test_a_verdict_that_is_no_pass_is_refused(
    bench: Bench, held: lease.Lease, proven: tuple[Image, Verdict], outcome: Outcome
) -> None:
    image, verdict = proven
    checks = (*verdict.checks, CheckResult("more", outcome, "seen"))
    with pytest.raises(PublishError, match="not proven"):
        publish_it(bench, held, image, dataclasses.replace(verdict, checks=checks))
    assert bench.pointer() is None


def test_a_passing_verdict_that_was_made_up_is_refused(
    bench: Bench, held: lease.Lease, proven: tuple[Image, Verdict]
) -> None:
    image, verdict = proven
    made_up = dataclasses.replace(verdict, checks=(CheckResult("any", Outcome.PASS, "sure"),))
    with pytest.raises(PublishError, match="do not carry this verdict"):
        publish_it(bench, held, image, made_up)


def test_a_changed_tag_is_refused(
    bench: Bench, held: lease.Lease, proven: tuple[Image, Verdict]
) -> None:
    image, verdict = proven
    bench.tools.cloud.images.tag(image.id, {TAG_VERDICT: "fail"})
    with pytest.raises(PublishError, match="do not carry this verdict"):
        publish_it(bench, held, image, verdict)


def test_nothing_is_written_without_the_lease(
    bench: Bench, held: lease.Lease, proven: tuple[Image, Verdict]
) -> None:
    bench.tools.cloud.parameters.create("/amikiln/x/lease/2", held._term.to_json())
    with pytest.raises(LeaseError, match="took over"):
        publish_it(bench, held, *proven)
    assert bench.pointer() is None


def test_a_write_by_somebody_else_in_between_is_told(
    bench: Bench,
    held: lease.Lease,
    proven: tuple[Image, Verdict],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parameters = bench.tools.cloud.parameters
    put = parameters.put

    def put_and_be_overtaken(name: str, value: str, **options: Any) -> int:
        version = put(name, value, **options)
        bench.ssm.put_parameter(Name=name, Value="ami-0aaaaaaaaaaaaaaaa", Overwrite=True)
        return version

    monkeypatch.setattr(parameters, "put", put_and_be_overtaken)
    with pytest.raises(PublishError, match="by somebody else"):
        publish_it(bench, held, *proven)
