"""Status: what the cloud has now, read in one go."""

from __future__ import annotations

import pytest

from amikiln.catalog.tags import TAG_FORCED
from amikiln.cli import output
from amikiln.errors import VerifyError
from amikiln.report.status import read_status
from fakes import spec
from harness import FOLLOWED, POINTER, Harness


def test_before_the_first_run_there_is_nothing(harness: Harness) -> None:
    found = read_status(spec(), harness.session)
    assert (found.image, found.region, found.pointer) == ("cpu-build", "us-east-1", POINTER)
    assert (found.pointer_version, found.published_image) == (None, None)
    assert (found.images, found.groups) == ((), ())


def test_each_image_is_shown_with_its_verdict_and_state(harness: Harness) -> None:
    done = harness.run()
    harness.script.owner_builder = "default"
    with pytest.raises(VerifyError):
        harness.run(rebake=True)
    found = read_status(spec(), harness.session)
    assert (found.published_image, found.pointer_version) == (done.image.id, 1)
    # Images begun in the same second have no order.
    failed, proven = sorted(found.images, key=lambda line: line.published)
    assert (failed.verdict, failed.life, failed.published) == ("fail", "failed", False)
    assert (proven.verdict, proven.life, proven.published) == ("pass", "proven", True)
    assert (proven.id, proven.name, proven.state) == (done.image.id, done.image.name, "available")
    assert (proven.run, proven.digest, proven.forced) == (done.run.id, done.plan.digest, None)
    assert proven.deprecated_from is not None


def test_an_image_that_was_forced_is_shown_as_that(harness: Harness) -> None:
    done = harness.run()
    harness.session.cloud.images.tag(done.image.id, {TAG_FORCED: "urgent"})
    (line,) = read_status(spec(), harness.session).images
    assert (line.forced, line.verdict, line.life) == ("urgent", "pass", "forced-proven")


def test_a_group_that_is_not_there_is_shown_as_missing(harness: Harness) -> None:
    found = read_status(spec(fleet=FOLLOWED), harness.session)
    assert (found.groups, found.missing_groups) == ((), ("Auto Scaling group cpu-build",))
    harness.run()
    harness.follow()
    found = read_status(harness.wanted, harness.session)
    assert [group.follows for group in found.groups] == [True]
    assert found.missing_groups == ()


def test_an_image_that_was_not_proven_warm_is_shown_as_that(
    harness: Harness, capsys: pytest.CaptureFixture[str]
) -> None:
    done = harness.run(spec(warm=False))
    assert done.verdict is not None
    assert done.verdict.not_asked == {"builds-are-warm": "warm = false"}
    assert "the image will NOT be proven warm" in harness.report.read()
    assert f"{done.image.id} is published without builds-are-warm" in harness.report.read()
    found = read_status(spec(warm=False), harness.session)
    (line,) = found.images
    assert (line.not_asked, line.verdict, line.published) == (("builds-are-warm",), "pass", True)
    output.print_status(found)
    output.print_run(done, 1.0)
    output.print_plan(done.plan)
    assert capsys.readouterr().out.count("NOT PROVEN WARM") == 3
    # With [warm] it is another proof, and another image.
    warm = harness.run(spec())
    assert warm.image.id != done.image.id
    assert {line.not_asked for line in read_status(spec(), harness.session).images} == {
        (),
        ("builds-are-warm",),
    }
