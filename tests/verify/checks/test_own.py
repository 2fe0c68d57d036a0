"""A user's check says by its exit code what it found."""

from __future__ import annotations

import dataclasses

import pytest

from amikiln.model.verdict import Outcome
from amikiln.runtime.guest import GuestCommandFailed
from fakes import Script, plan
from verify.checks.conftest import RunCheck

PLANNED = dataclasses.replace(plan(), own_checks={"models": b"echo 3 models\n"})


@pytest.mark.parametrize(
    ("exit_code", "outcome"),
    [(1, Outcome.FAIL), (2, Outcome.FAIL), (75, Outcome.UNKNOWN), (None, Outcome.UNKNOWN)],
)
def test_an_own_check_says_by_its_exit_code_what_it_found(
    script: Script, run: RunCheck, exit_code: int | None, outcome: Outcome
) -> None:
    def refuse(command: str) -> None:
        raise GuestCommandFailed(command, exit_code, "looking\nno /models here\n")

    script.refuse = refuse
    result = run("own-models", PLANNED)
    assert (result.name, result.outcome) == ("own-models", outcome)
    assert result.evidence == f"no /models here (exit code {exit_code})"
    assert "checks/models.sh" in result.hint


def test_an_own_check_is_a_script_over_stdin(script: Script, run: RunCheck) -> None:
    assert run("own-models", PLANNED).outcome is Outcome.PASS
    assert b"echo 3 models\n" in script.sent.values()
