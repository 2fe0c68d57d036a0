"""A verdict's file is read as it was written, or refused in one line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amikiln.errors import PublishError
from amikiln.model.verdict import CheckResult, Outcome, Verdict, VerdictFile, serialize
from amikiln.publish import proof
from verdicts import check_result, verdict

WRITTEN = serialize(
    verdict(
        check_result("boot-finished", evidence="running: «ok»\n2 units"),
        check_result("warm-again", figures={"cold_seconds": 31, "x": 0.1}),
    )
)


def edit(change: Callable[[Any], object]) -> bytes:
    """Return the verdict's file after somebody edited it."""
    fields = json.loads(WRITTEN.content)
    change(fields)
    return json.dumps(fields).encode()


def read(folder: Path, content: bytes) -> VerdictFile:
    file = folder / "verdict.json"
    file.write_bytes(content)
    return proof.read_verdict(file)


@pytest.mark.parametrize(
    "checks",
    [
        WRITTEN.verdict.checks,
        (*WRITTEN.verdict.checks, check_result("more", Outcome.FAIL, hint="a hint")),
        (check_result("more", Outcome.UNKNOWN, ""),),
        (),
    ],
    ids=["pass", "fail", "unknown", "no-checks"],
)
def test_a_file_is_read_back_as_it_was_written(
    tmp_path: Path, checks: tuple[CheckResult, ...]
) -> None:
    written = serialize(verdict(*checks))
    assert read(tmp_path, written.content) == written


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "EOF"),
        (b"not JSON", "expected"),
        (WRITTEN.content[:-20], "EOF"),
        (WRITTEN.content * 2, "trailing"),
        (b"\xff\xfe\x00", "invalid JSON"),
        (WRITTEN.content.replace(b"boot", b"\xff"), "invalid unicode"),
        (b"[]", "should be an object"),
        (b'"pass"', "should be an object"),
        (b"{}", "field required"),
        (b"[" * 10_000, "recursion"),
        (edit(lambda v: v.update(more=1)), "more: unexpected"),
        (edit(lambda v: v.update({"two\nlines": 1})), "two lines: unexpected"),
        (edit(lambda v: v["checks"][0].update(more=1)), r"checks\.0\.more: unexpected"),
        (edit(lambda v: v["checks"][0].update(outcome="yes")), r"checks\.0\.outcome: input"),
        (edit(lambda v: v["checks"][1]["figures"].update(x="0.1")), r"figures\.x: input"),
        (edit(lambda v: v.update(outcome="two\nlines")), "outcome: input should be 'pass'"),
        (edit(lambda v: v.update(image_id=5)), "image_id: input should be a valid string"),
        (edit(lambda v: v.update(checks="none")), "checks: input should be a valid"),
        (WRITTEN.content.replace(b"31.0", b"NaN"), "finite number"),
        (WRITTEN.content.replace(b"31.0", b"1e999"), "finite number"),
    ],
)
def test_a_file_that_is_not_a_verdict_is_refused_in_one_line(
    tmp_path: Path, content: bytes, fault: str
) -> None:
    with pytest.raises(PublishError, match=fault) as caught:
        read(tmp_path, content)
    assert caught.value.what.startswith(f"{tmp_path / 'verdict.json'} is not a verdict: ")
    assert len(caught.value.what.splitlines()) == 1


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Verdict)])
def test_a_field_that_is_missing_is_not_made_up(tmp_path: Path, field: str) -> None:
    with pytest.raises(PublishError, match=f"verdict: {field}: field required"):
        read(tmp_path, edit(lambda v: v.pop(field)))


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(CheckResult)])
def test_a_field_that_is_missing_from_a_check_is_not_made_up(tmp_path: Path, field: str) -> None:
    with pytest.raises(PublishError, match=rf"checks\.0\.{field}: field required"):
        read(tmp_path, edit(lambda v: v["checks"][0].pop(field)))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            lambda v: v["checks"][0].update(outcome="fail"),
            "verdict: outcome is pass, and its checks make it fail",
        ),
        (lambda v: v.update(outcome="fail"), "outcome is fail, and its checks make it pass"),
        (lambda v: v.update(checks=[]), "outcome is pass, and its checks make it unknown"),
    ],
)
def test_an_outcome_that_its_checks_do_not_lead_to_is_refused(
    tmp_path: Path, change: Callable[[Any], object], fault: str
) -> None:
    with pytest.raises(PublishError, match=fault):
        read(tmp_path, edit(change))


@pytest.mark.parametrize(
    "content",
    [
        edit(lambda v: v.update(image_id="ami-2")),
        edit(lambda v: v),
        WRITTEN.content + b"\n",
        WRITTEN.content.replace(b"31.0", b"31"),
    ],
    ids=["another-image", "spaces", "another-line", "another-way-to-write-a-number"],
)
def test_a_file_with_other_bytes_has_another_hash(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content).sha256 != WRITTEN.sha256


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match=r"missing\.json: No such file") as caught:
        proof.read_verdict(tmp_path / "missing.json")
    assert caught.value.exit_code == 6
    with pytest.raises(PublishError, match="Is a directory"):
        proof.read_verdict(tmp_path)
