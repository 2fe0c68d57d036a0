"""The warm build again: hits are counted and weighed, and without a build nothing is proven."""

from __future__ import annotations

import pytest

from amikiln.model.verdict import Outcome
from amikiln.verify.checks.run import list_checks
from fakes import WARM, Script, plan, render_build_log
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
    found = run("builds-are-warm")
    assert found.evidence == (
        "2 of 2 steps are hits, and 100% of their time; 0.0 s, and 30.5 s at the bake; reading"
        " 36.7 MB of results took 2.5 s; the machine was cut off from the network"
    )
    assert (found.figures["read_seconds"], found.figures["read_megabytes"]) == (2.5, 36.7)
    script.warm = ONE_STEP_MISSED
    failed = run("builds-are-warm")
    assert "1 of 2 steps are hits, and 98% of their time" in failed.evidence
    assert (failed.figures["hits"], failed.figures["cold_seconds"]) == (1.0, 30.5)
    assert failed.evidence.endswith("missed: [3/3] COPY . .")


def test_a_job_needs_room_to_load_what_the_build_gives(script: Script, run: RunCheck) -> None:
    needed_kib = 5 * 1024**2 + 36_700_000 / 1024
    script.free_kib = int(needed_kib) + 1
    assert run("builds-are-warm").outcome is Outcome.PASS
    script.free_kib = int(needed_kib)
    result = run("builds-are-warm")
    assert result.outcome is Outcome.FAIL
    assert "wanted: 5.0 GiB free for a job that loads its results" in result.evidence
    script.free_kib = 5 * 1024**2 - 1
    assert run("room-on-disk").outcome is Outcome.FAIL
    assert run("builds-are-warm").outcome is Outcome.PASS


def test_a_spec_may_ask_for_less(script: Script, run: RunCheck) -> None:
    script.warm = ONE_STEP_MISSED
    lenient = plan(verify={"minimum_hit_share": 0.5})
    assert run("builds-are-warm", lenient).outcome is Outcome.PASS


def test_a_spec_without_a_warm_build_asks_for_none_and_is_another_proof() -> None:
    without = plan(warm=False)
    assert {check.name for check in list_checks(plan())} - {
        check.name for check in list_checks(without)
    } == {"builds-are-warm"}
    assert without.spec.not_asked == {"builds-are-warm": "warm = false"}
    assert plan().spec.not_asked == {}
    assert without.proof_digest != plan().proof_digest


def test_a_build_without_steps_proves_nothing(script: Script, run: RunCheck) -> None:
    script.warm = render_build_log(("[internal] load build context", 1.0), ("[1/1] FROM base", 2.0))
    assert run("builds-are-warm").outcome is Outcome.UNKNOWN


IMPORTED = render_build_log(("[2/2] RUN make", None), ("[3/3] COPY . .", None))


def test_where_all_came_from_a_cache_no_speed_up_is_asked_for(
    script: Script, run: RunCheck
) -> None:
    script.cold = IMPORTED
    found = run("builds-are-warm")
    assert found.outcome is Outcome.PASS
    assert found.evidence.endswith("there is no cold time, and no speed-up is asked for")
    assert found.figures["imported"] == 2.0
    script.warm = ONE_STEP_MISSED
    assert run("builds-are-warm").outcome is Outcome.FAIL


def test_what_ran_at_the_bake_has_a_time_and_what_was_imported_has_none(
    script: Script, run: RunCheck
) -> None:
    script.cold = render_build_log(("[2/2] RUN make", 30.0), ("[3/3] COPY . .", None))
    found = run("builds-are-warm")
    assert found.outcome is Outcome.PASS
    assert "; 1 steps came from a cache at the bake and have no time" in found.evidence
    script.warm = script.read = render_build_log(("[2/2] RUN make", 29.0), ("[3/3] COPY . .", None))
    slow = run("builds-are-warm", plan(verify={"minimum_hit_share": 0.4}))
    assert slow.outcome is Outcome.FAIL
    assert "times faster than at the bake" in slow.evidence


@pytest.mark.parametrize("build", ["read", "parts"])
def test_what_is_a_hit_and_cannot_be_read_is_missed(
    build: str, script: Script, run: RunCheck
) -> None:
    log = render_build_log(("[2/2] RUN make", 20.0))
    setattr(script, build, log if build == "read" else f"{log}ended parts 0 3.0 90000000\n")
    found = run("builds-are-warm")
    assert found.outcome is Outcome.FAIL
    assert found.evidence.endswith("missed: [2/2] RUN make")
    assert "1 of 2 steps are hits" in found.evidence


def test_time_to_read_is_bounded_only_by_the_spec(script: Script, run: RunCheck) -> None:
    assert run("builds-are-warm", plan(verify={"maximum_read_seconds": 3})).outcome is Outcome.PASS
    slow = run("builds-are-warm", plan(verify={"maximum_read_seconds": 2}))
    assert slow.outcome is Outcome.FAIL
    assert "wanted: results read within 2 s" in slow.evidence


FETCHING = (
    '{"vertexes":[{"digest":"sha256:7","name":"[2/2] RUN make","started":"2026-01-01T00:00:00Z",'
    '"completed":"2026-01-01T00:00:01Z","error":"connect: permission denied"}]}\n'
)
SAID = "ERROR: failed to solve: connect: permission denied"


@pytest.mark.parametrize(
    ("report", "outcome", "words"),
    [
        (f"{FETCHING}ended ask 1 2.0 0\n{SAID}\n", Outcome.FAIL, "missed: [2/2] RUN make"),
        (f"{WARM}ended ask 0 2.0 0\n{FETCHING}ended read 1 2.0 0\n{SAID}\n", Outcome.FAIL, SAID),
        (
            f"{FETCHING.replace('RUN make', 'FROM base')}ended ask 1 2.0 0\n{SAID}\n",
            Outcome.FAIL,
            "without the network the build of 2 steps fails, so not all of it is on the disk",
        ),
        (f"ended ask 1 2.0 0\n{SAID}\n", Outcome.UNKNOWN, "cannot tell"),
        (f"{WARM}ended ask 0 2.0 0\n", Outcome.UNKNOWN, "incomplete"),
        (f"{WARM}ended ask 0 2.0 0\n{WARM}", Outcome.UNKNOWN, "incomplete"),
        (f"{WARM}ended ask 0 2.0 0\n{WARM}ended read 0 2.0 0\n", Outcome.FAIL, "nothing could be"),
        ("", Outcome.UNKNOWN, "incomplete"),
    ],
    ids=[
        "a-layer-is-missing",
        "a-layer-of-the-result-is-missing",
        "a-base-is-missing",
        "a-tag-cannot-be-resolved",
        "not-read",
        "cut-short",
        "read-nothing",
        "nothing",
    ],
)
def test_a_build_that_does_not_end_well(
    report: str,
    outcome: Outcome,
    words: str,
    script: Script,
    run: RunCheck,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Script, "report_warm_builds", lambda self: report)
    found = run("builds-are-warm")
    assert found.outcome is outcome
    assert words in found.evidence


ASKS = "asks https://example.org/tool\n"


@pytest.mark.parametrize(
    ("today", "outcome", "words"),
    [
        (f"{WARM}ended today 0 0 0\n", Outcome.PASS, "which asks for https://example.org/tool"),
        (f"{ONE_STEP_MISSED}ended today 0 0 0\n", Outcome.FAIL, "missed: [3/3] COPY . ."),
        # Stopped before it got to the other step.
        (
            f"{render_build_log(('[2/2] RUN make', 1.0))}ended today 124 0 0\nstopped\n",
            Outcome.FAIL,
            "0 of 2 steps are hits",
        ),
        ("ended today 1 0 0\nERROR: no such host\n", Outcome.UNKNOWN, "no such host"),
    ],
    ids=["unchanged", "changed", "stopped", "out-of-reach"],
)
def test_what_a_build_asks_for_each_time_is_compared_with_today(
    today: str, outcome: Outcome, words: str, script: Script, run: RunCheck
) -> None:
    script.warm = ASKS + script.warm
    script.parts = today
    found = run("builds-are-warm")
    assert found.outcome is outcome, found.evidence
    assert words in found.evidence
    if outcome is Outcome.FAIL:
        assert "a checksum" in found.hint
