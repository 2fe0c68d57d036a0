"""What is in the image is what was planned."""

from __future__ import annotations

import pytest

from amikiln.model.verdict import Outcome
from amikiln.verify.checks.content import manifest_as_planned
from amikiln.verify.checks.finding import Subject
from fakes import FakeGuest, Script, plan
from verify.checks.conftest import LOGIN, RunCheck


@pytest.mark.parametrize(
    ("check", "changes"),
    [("manifest-as-planned", {"digest": "e" * 64}), ("images-present", {"images": {}})],
)
def test_an_image_of_another_plan_fails_with_a_hint(
    check: str, changes: dict[str, object], script: Script, run: RunCheck
) -> None:
    script.planned = {**script.planned, **changes}
    result = run(check)
    assert result.outcome is Outcome.FAIL
    assert result.evidence
    assert result.hint


def test_a_tag_of_another_digest_fails(script: Script) -> None:
    finding = manifest_as_planned(Subject(FakeGuest(LOGIN, script), plan(), "e" * 64))
    assert finding.outcome is Outcome.FAIL
    assert "e" * 64 in finding.evidence
