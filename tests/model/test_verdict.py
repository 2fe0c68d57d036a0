"""The records: verdicts that count, references that no push can change, turnover that is done."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from datetime import UTC, datetime

import pytest

from amikiln import __version__
from amikiln.model.fleet import FleetMachine, GroupTurnover
from amikiln.model.image import Forced
from amikiln.model.plan import PinnedImage
from amikiln.model.verdict import CheckResult, Outcome, Verdict
from amikiln.publish.proof import from_json as verdict_of

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN


def verdict(*outcomes: Outcome) -> Verdict:
    results = tuple(CheckResult(f"check-{n}", o, "seen") for n, o in enumerate(outcomes))
    return Verdict("ami-1", "d" * 64, "us-east-1", "run-1", results)


@pytest.mark.parametrize(
    ("outcomes", "wanted"),
    [
        ([PASS, PASS], PASS),
        ([PASS, FAIL], FAIL),
        ([PASS, UNKNOWN], UNKNOWN),
        ([FAIL, UNKNOWN], FAIL),
        ([], UNKNOWN),
    ],
)
def test_a_verdict_passes_only_if_every_check_passed(
    outcomes: list[Outcome], wanted: Outcome
) -> None:
    assert verdict(*outcomes).outcome is wanted


def test_a_verdicts_hash_changes_with_anything_in_it() -> None:
    base = verdict(PASS)
    changed = [
        dataclasses.replace(base, image_id="ami-2"),
        dataclasses.replace(base, digest="e" * 64),
        dataclasses.replace(base, run_id="run-2"),
        dataclasses.replace(base, verified_at="2026-11-24T06:00:00+00:00"),
        dataclasses.replace(base, amikiln_version="0.0.1"),
        dataclasses.replace(
            base, checks=(dataclasses.replace(base.checks[0], figures={"seconds": 1}),)
        ),
        verdict(FAIL),
    ]
    assert len({one.sha256 for one in [base, *changed]}) == len(changed) + 1
    written = json.loads(base.to_json())
    assert (written["outcome"], written["amikiln_version"]) == ("pass", __version__)
    assert datetime.fromisoformat(written["verified_at"]).tzinfo == UTC


def test_a_verdicts_hash_is_what_sha256sum_prints_of_its_file() -> None:
    text = verdict(PASS).to_json()
    assert text.endswith("}\n")
    assert text.count("\n") == 1
    assert hashlib.sha256(text.encode()).hexdigest() == verdict_of(text).sha256


def test_a_whole_figure_is_written_as_one_kind_of_number() -> None:
    whole = CheckResult("check", PASS, "seen", figures={"seconds": 5})
    assert whole == CheckResult("check", PASS, "seen", figures={"seconds": 5.0})
    assert isinstance(whole.figures["seconds"], float)


@pytest.mark.parametrize("figure", [math.nan, math.inf, -math.inf])
def test_a_figure_that_json_cannot_hold_is_refused(figure: float) -> None:
    with pytest.raises(ValueError, match="check gave a figure that is no number"):
        CheckResult("check", PASS, "seen", figures={"seconds": figure})


@pytest.mark.parametrize("reason", ["x", "x" * 255, "  Ünïcode: the old one has a hole  "])
def test_a_reason_is_one_line_without_spaces_around_it(reason: str) -> None:
    assert Forced("ami-1", reason).reason == reason.strip()


@pytest.mark.parametrize(
    "reason", ["", "   ", "\n", "x" * 256, "two\nlines", "a\ttab", "red \x1b[31m", "a\u202eb"]
)
def test_what_is_no_reason_is_refused(reason: str) -> None:
    with pytest.raises(ValueError, match="1 to 255 printable characters"):
        Forced("ami-1", reason)


@pytest.mark.parametrize(
    ("reference", "wanted"),
    [
        ("debian:13", "debian@sha256:00"),
        ("host:5000/a/b:latest", "host:5000/a/b@sha256:00"),
    ],
)
def test_an_image_is_named_by_digest_without_its_tag(reference: str, wanted: str) -> None:
    assert PinnedImage(reference, "sha256:00").by_digest == wanted


@pytest.mark.parametrize(
    ("machines", "done"),
    [
        ([("ami-new", "running")], True),
        ([("ami-new", "pending")], False),
        ([("ami-old", "running")], False),
        ([("ami-new", "running"), ("ami-old", "running")], False),
        ([], False),
    ],
)
def test_a_group_is_turned_over_when_all_wanted_machines_run_the_image(
    machines: list[tuple[str, str]], done: bool
) -> None:
    listed = tuple(FleetMachine(f"i-{n}", i, s, None) for n, (i, s) in enumerate(machines))
    group = GroupTurnover("g", "ami-new", "resolve:ssm:/p", True, 1, listed)
    assert group.done is done
