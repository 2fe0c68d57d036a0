"""The checks of verify: each one finds what it is for, and nothing is passed unseen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from amikiln import checks, keys
from amikiln.guest import Login
from amikiln.model import Outcome
from pretend_tools import PretendGuest, Script, failing, obey, plan

LOGIN = Login("127.0.1.2", "ec2-user", keys.Keys(Path("unused")))


@pytest.fixture
def script() -> Script:
    script = Script()
    obey(script, plan())
    return script


def subject(script: Script) -> checks.Subject:
    return of_guest(PretendGuest(LOGIN, script))


def of_guest(guest: PretendGuest, **changes: object) -> checks.Subject:
    planned = plan(**changes)
    return checks.Subject(guest, planned, planned.digest)


@pytest.mark.parametrize("check", checks.ALL)
def test_a_good_machine_passes(check: checks.Check, script: Script) -> None:
    result = checks.carry_out(check, subject(script))
    assert (result.outcome, result.hint) == (Outcome.PASS, "")
    assert result.evidence


def other_policy(script: Script) -> None:
    script.builder[1] = "no"


def other_network(script: Script) -> None:
    script.builder[2] = "bridge"


def other_buildkit(script: Script) -> None:
    script.builder[3] = "moby/buildkit:latest"


def no_builder(script: Script) -> None:
    script.builder = []


def default_builder_in_use(script: Script) -> None:
    script.owner_builder = "default"


def collecting_garbage(script: Script) -> None:
    script.toml = script.toml.replace(b"gc = false", b"gc = true")


def worker_with_rules(script: Script) -> None:
    script.worker_rules = "GC Policy rule#0:\n All: false\n Keep Duration: 48h0m0s\n"


def planned_otherwise(script: Script) -> None:
    script.planned = {**script.planned, "digest": "e" * 64}


def images_missing(script: Script) -> None:
    script.planned = {**script.planned, "images": {}}


@pytest.mark.parametrize(
    ("check", "spoil"),
    [
        (checks.builder_up, other_policy),
        (checks.builder_up, other_network),
        (checks.builder_up, other_buildkit),
        (checks.builder_up, no_builder),
        (checks.builder_answers, default_builder_in_use),
        (checks.builder_answers, worker_with_rules),
        (checks.builder_configured, collecting_garbage),
        (checks.manifest_as_planned, planned_otherwise),
        (checks.images_present, images_missing),
    ],
    ids=lambda value: value.__name__,
)
def test_a_spoilt_machine_fails_with_evidence_and_a_hint(
    check: checks.Check, spoil: Callable[[Script], None], script: Script
) -> None:
    spoil(script)
    result = checks.carry_out(check, subject(script))
    assert result.outcome is Outcome.FAIL
    assert result.evidence
    assert result.hint


def test_a_configuration_written_in_another_order_is_the_same(script: Script) -> None:
    script.toml = b"[worker.oci]\ngc = false\nmax-parallelism = 16\n"
    result = checks.carry_out(checks.builder_configured, subject(script))
    assert result.outcome is Outcome.PASS


def test_failed_units_are_named() -> None:
    class Degraded(PretendGuest):
        def run(self, command: str, *, input: bytes | None = None, timeout_seconds: float) -> str:
            if "list-units" in command:
                return "docker.service loaded failed failed Docker\n"
            return "degraded\n"

    result = checks.carry_out(checks.boot_finished, of_guest(Degraded(LOGIN, Script())))
    assert result.outcome is Outcome.FAIL
    assert "degraded" in result.evidence
    assert "docker.service" in result.evidence


@pytest.mark.parametrize("check", checks.ALL)
def test_a_check_whose_command_fails_is_unknown(check: checks.Check, script: Script) -> None:
    script.refuse = failing("")
    result = checks.carry_out(check, subject(script))
    assert result.outcome is Outcome.UNKNOWN
    assert "it broke" in result.evidence


@pytest.mark.parametrize("check", [checks.builder_configured, checks.manifest_as_planned])
def test_an_answer_that_cannot_be_read_is_unknown(check: checks.Check) -> None:
    class Garbled(PretendGuest):
        def run(self, command: str, *, input: bytes | None = None, timeout_seconds: float) -> str:
            return "!?"

    result = checks.carry_out(check, of_guest(Garbled(LOGIN, Script())))
    assert result.outcome is Outcome.UNKNOWN
