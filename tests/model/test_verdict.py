"""Verdicts: which of them count, and how they are written."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
from pathlib import Path

import pytest

from amikiln.model.verdict import Outcome, Verdict, serialize
from verdicts import check_result, verdict

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN


def of(*outcomes: Outcome) -> Verdict:
    return verdict(*(check_result(f"check-{n}", o) for n, o in enumerate(outcomes)))


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
    assert of(*outcomes).outcome is wanted


def test_a_verdicts_hash_changes_with_anything_in_it() -> None:
    base = of(PASS)
    changed = [
        dataclasses.replace(base, image_id="ami-2"),
        dataclasses.replace(base, digest="e" * 64),
        dataclasses.replace(base, proof_digest="f" * 64),
        dataclasses.replace(base, run_id="run-2"),
        dataclasses.replace(base, machine="systemd-nspawn"),
        dataclasses.replace(base, verified_at="2026-11-24T06:00:01+00:00"),
        dataclasses.replace(base, amikiln_version="0.0.2"),
        dataclasses.replace(
            base, checks=(dataclasses.replace(base.checks[0], figures={"seconds": 1}),)
        ),
        of(FAIL),
    ]
    assert len({serialize(one).sha256 for one in [base, *changed]}) == len(changed) + 1
    written = json.loads(serialize(base).content)
    assert (written["outcome"], written["amikiln_version"]) == ("pass", "0.0.1")


def test_a_verdicts_hash_is_what_sha256sum_prints_of_its_file(tmp_path: Path) -> None:
    written = serialize(of(PASS))
    file = tmp_path / "verdict.json"
    file.write_bytes(written.content)
    printed = subprocess.run(["sha256sum", file], stdout=subprocess.PIPE, check=True).stdout
    assert printed.decode().split()[0] == written.sha256
    assert written.content.endswith(b"}\n")
    assert written.content.count(b"\n") == 1


def test_an_outcome_that_its_checks_do_not_lead_to_is_refused() -> None:
    with pytest.raises(ValueError, match="outcome is pass, and its checks make it fail"):
        verdict(check_result(outcome=FAIL), outcome=PASS)


def test_a_whole_figure_is_written_as_one_kind_of_number() -> None:
    whole = check_result("check", figures={"seconds": 5})
    assert whole == check_result("check", figures={"seconds": 5.0})
    assert isinstance(whole.figures["seconds"], float)


@pytest.mark.parametrize("figure", [math.nan, math.inf, -math.inf])
def test_a_figure_that_json_cannot_hold_is_refused(figure: float) -> None:
    with pytest.raises(ValueError, match="check gave a figure that is not a number"):
        check_result("check", figures={"seconds": figure})
