"""The warm build again: hits are counted and weighed, and without a build nothing is proven."""

from __future__ import annotations

import pytest

from amikiln.model.verdict import Outcome
from fakes import Script, plan, render_build_log
from verify.checks.conftest import RunCheck

ONE_STEP_MISSED = render_build_log(("[2/2] RUN make", None), ("[3/3] COPY . .", 0.1))


@pytest.mark.parametrize(
    "logs",
    [
        {"warm": ONE_STEP_MISSED},
        {
            "cold": render_build_log(("[2/2] RUN make", 1.0)),
            "warm": render_build_log(("[2/2] RUN make", 0.5)),
        },
        {"cold": ""},
    ],
    ids=["one-step-missed", "cached-from-elsewhere-and-slow", "no-record-of-the-bakes-build"],
)
def test_a_cold_build_fails_with_a_hint(
    logs: dict[str, str], script: Script, run: RunCheck
) -> None:
    for name, log in logs.items():
        setattr(script, name, log)
    result = run("builds-are-warm")
    assert result.outcome is Outcome.FAIL
    assert result.evidence
    assert result.hint


def test_the_evidence_has_steps_time_and_seconds(script: Script, run: RunCheck) -> None:
    assert run("builds-are-warm").evidence == (
        "2 of 2 steps are hits, and 100% of their time; 0.0 s, and 30.5 s at the bake"
    )
    script.warm = ONE_STEP_MISSED
    failed = run("builds-are-warm")
    assert "1 of 2 steps are hits, and 98% of their time" in failed.evidence
    assert (failed.figures["hits"], failed.figures["cold_seconds"]) == (1.0, 30.5)
    assert failed.evidence.endswith("missed: [3/3] COPY . .")


def test_a_spec_may_ask_for_less(script: Script, run: RunCheck) -> None:
    script.warm = ONE_STEP_MISSED
    lenient = plan(verify={"minimum_hit_share": 0.5})
    assert run("builds-are-warm", lenient).outcome is Outcome.PASS


def test_a_spec_without_a_warm_build_proves_nothing(run: RunCheck) -> None:
    result = run("builds-are-warm", plan(warm=None))
    assert result.outcome is Outcome.FAIL
    assert "no [warm]" in result.evidence


def test_a_build_without_steps_proves_nothing(script: Script, run: RunCheck) -> None:
    script.warm = render_build_log(("[internal] load build context", 1.0), ("[1/1] FROM base", 2.0))
    assert run("builds-are-warm").outcome is Outcome.UNKNOWN
