"""A verdict's file is read as it was written, or refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amikiln.errors import PublishError
from amikiln.model.verdict import CheckResult, Outcome, Verdict
from amikiln.publish import proof

VERDICT = Verdict(
    "ami-1",
    "d" * 64,
    "us-east-1",
    "run-1",
    (
        CheckResult("boot-finished", Outcome.PASS, "running: «ok»\n2 units"),
        CheckResult("warm-again", Outcome.PASS, "3 of 3", figures={"cold_seconds": 31, "x": 0.1}),
    ),
)


def changed(change: Callable[[Any], object]) -> str:
    """Return the verdict's file after somebody edited it."""
    written = json.loads(VERDICT.to_json())
    change(written)
    return json.dumps(written)


@pytest.mark.parametrize(
    "checks",
    [
        VERDICT.checks,
        (*VERDICT.checks, CheckResult("more", Outcome.FAIL, "seen", "a hint")),
        (CheckResult("more", Outcome.UNKNOWN, ""),),
        (),
    ],
    ids=["pass", "fail", "unknown", "no-checks"],
)
def test_what_was_written_is_read_back(tmp_path: Path, checks: tuple[CheckResult, ...]) -> None:
    written = Verdict("ami-1", "d" * 64, "us-east-1", "run-1", checks)
    file = tmp_path / "verdict.json"
    file.write_text(written.to_json(), encoding="utf-8")
    read = proof.load(file)
    assert read == written
    assert (read.sha256, read.outcome) == (written.sha256, written.outcome)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "EOF"),
        ("not JSON", "expected"),
        (VERDICT.to_json()[:-20], "EOF"),
        (VERDICT.to_json() * 2, "trailing"),
        ("[]", "no JSON object"),
        ('"pass"', "no JSON object"),
        ("{}", "field required"),
        ("[" * 10_000, "recursion"),
        (changed(lambda v: v.update(more=1)), "more: unexpected"),
        (changed(lambda v: v["checks"][0].update(more=1)), r"checks\.0\.more: unexpected"),
        (changed(lambda v: v.pop("image_id")), "image_id: field required"),
        (changed(lambda v: v.pop("verified_at")), "lacks fields"),
        (changed(lambda v: v["checks"][0].pop("figures")), "lacks fields"),
        (changed(lambda v: v.pop("outcome")), "outcome is missing"),
        (changed(lambda v: v.update(outcome="two\nlines")), "outcome is two lines"),
        (changed(lambda v: v.update(image_id=5)), "image_id: input should be a valid string"),
        (changed(lambda v: v.update(checks="none")), "checks: input should be a valid"),
        (changed(lambda v: v["checks"][0].update(outcome="yes")), r"checks\.0\.outcome: input"),
        (changed(lambda v: v["checks"][1]["figures"].update(x="0.1")), r"figures\.x: input"),
        (VERDICT.to_json().replace("31.0", "NaN"), "expected"),
        (VERDICT.to_json().replace("31.0", "1e999"), "number"),
    ],
)
def test_what_is_no_verdict_is_refused_in_one_line(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "verdict.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PublishError, match=fault) as caught:
        proof.load(file)
    assert caught.value.what.startswith(f"{file} is not a verdict: ")
    assert len(caught.value.what.splitlines()) == 1


def test_an_outcome_that_its_checks_do_not_give_is_refused() -> None:
    def fail_a_check(verdict: Any) -> None:
        verdict["checks"][0]["outcome"] = "fail"

    with pytest.raises(ValueError, match="outcome is pass, and its checks make it fail"):
        proof.from_json(changed(fail_a_check))
    with pytest.raises(ValueError, match="outcome is fail, and its checks make it pass"):
        proof.from_json(changed(lambda verdict: verdict.update(outcome="fail")))
    with pytest.raises(ValueError, match="and its checks make it unknown"):
        proof.from_json(changed(lambda verdict: verdict.update(checks=[])))


def test_an_edit_that_is_a_whole_verdict_has_another_hash() -> None:
    edited = proof.from_json(changed(lambda verdict: verdict.update(image_id="ami-2")))
    assert edited.sha256 != VERDICT.sha256


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match=r"missing\.json: No such file") as caught:
        proof.load(tmp_path / "missing.json")
    assert caught.value.exit_code == 6
    with pytest.raises(PublishError, match="Is a directory"):
        proof.load(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PublishError, match=r"is not a verdict: .*can't decode"):
        proof.load(tmp_path / "binary")
