"""Verify: the verdict says who found it out, and when; its file and the image's tags agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from amikiln.publish.proof import read_verdict
from amikiln.version import __version__
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
