"""The records: verdicts that count, references that no push can change, turnover that is done."""

from __future__ import annotations

import dataclasses
import json

import pytest

from amikiln.model import (
    CheckResult,
    FleetMachine,
    GroupTurnover,
    Outcome,
    PinnedImage,
    Verdict,
)

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
        verdict(FAIL),
    ]
    assert len({one.sha256 for one in [base, *changed]}) == 5
    assert json.loads(base.to_json())["outcome"] == "pass"


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
