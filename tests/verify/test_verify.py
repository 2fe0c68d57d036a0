"""Verify: the verdict says who found it out, and when; its file and the image's tags agree."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from amikiln.model.verdict import Outcome
from amikiln.publish.proof import read_verdict
from amikiln.runtime.guest import GuestUnreachable, Login
from amikiln.verify import verify as stage
from amikiln.verify.checks.finding import Check, Finding, Subject, passed
from amikiln.version import __version__
from fakes import FakeGuest, plan
from harness import Harness


def test_a_verdict_names_its_run_its_time_and_the_version(harness: Harness) -> None:
    done = harness.run()
    verdict = read_verdict(harness.folder / "verdict.json").verdict
    assert verdict == done.verdict
    assert (verdict.run_id, verdict.amikiln_version) == (done.run.id, __version__)
    verified = datetime.fromisoformat(verdict.verified_at)
    assert verified.tzinfo == UTC
    assert abs(datetime.now(UTC) - verified) < timedelta(minutes=10)


def test_a_verdict_names_the_machine_and_the_run_says_it(harness: Harness) -> None:
    harness.script.machine = "systemd-nspawn"
    verdict = harness.run().verdict
    assert verdict is not None
    assert verdict.machine == "systemd-nspawn"
    said = "checked on: systemd-nspawn, a container: the kernel is its host's"
    assert said in harness.report.said


def test_a_machine_that_does_not_say_what_it_is_is_unknown(harness: Harness) -> None:
    harness.script.machine = ""
    verdict = harness.run().verdict
    assert verdict is not None
    assert verdict.machine == "unknown"


PATIENCE_SECONDS = 60.0


def run_round(harness: Harness, *checks: Check) -> list[tuple[str, Outcome]]:
    planned = plan()
    login = Login("127.0.1.2", "ec2-user", harness.folder)
    subject = Subject(FakeGuest(login, harness.script), planned, planned.digest)
    return [
        (result.name, result.outcome)
        for result in stage._run_side_by_side(checks, subject, harness.session)
    ]


def test_checks_of_a_round_run_side_by_side_and_are_told_in_their_order(harness: Harness) -> None:
    both = threading.Barrier(2)
    first_may_end = threading.Event()

    def meet(subject: Subject) -> Finding:
        both.wait(PATIENCE_SECONDS)
        assert first_may_end.wait(PATIENCE_SECONDS)
        return passed("met")

    def meet_and_end_first(subject: Subject) -> Finding:
        both.wait(PATIENCE_SECONDS)
        first_may_end.set()
        return passed("met")

    checks = (Check("slow", meet), Check("fast", meet_and_end_first))
    assert run_round(harness, *checks) == [("slow", Outcome.PASS), ("fast", Outcome.PASS)]


def test_a_machine_that_is_lost_in_one_check_ends_the_verify_without_waiting_for_the_others(
    harness: Harness,
) -> None:
    over = threading.Event()

    def lose(subject: Subject) -> Finding:
        raise GuestUnreachable("lost the machine")

    def hang(subject: Subject) -> Finding:
        assert over.wait(PATIENCE_SECONDS)
        return passed("went on")

    try:
        with pytest.raises(GuestUnreachable, match="lost the machine"):
            run_round(harness, Check("lost", lose), Check("hangs", hang))
        assert not over.is_set()
    finally:
        over.set()
