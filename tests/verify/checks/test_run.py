"""All checks: their names, a good machine that passes, a broken one that is never passed unseen."""

from __future__ import annotations

import dataclasses

import pytest

from amikiln.model.verdict import Outcome
from amikiln.spec.own_files import BUILT_IN_CHECKS
from amikiln.verify.checks.run import BUILT_IN, OTHER_CHECKOUT, WARM_BUILD, list_checks, list_rounds
from fakes import FakeGuest, Script, fail_on, plan
from verify.checks.conftest import RunCheck

NAMES = [
    "fleet-boot",
    "boot-finished",
    "stack-complete",
    "docker-as-baked",
    "room-on-disk",
    "builder-up",
    "builder-answers",
    "builder-configured",
    "jobs-find-builder",
    "nothing-prunes",
    "store-kept",
    "manifest-as-planned",
    "images-present",
    "no-secrets",
    "builds-are-warm",
]


def test_the_names_in_a_verdict_stay_as_they_are() -> None:
    assert [check.name for check in list_checks(plan())] == NAMES


def test_the_reader_of_own_checks_knows_these_names() -> None:
    assert {check.name for check in (*BUILT_IN, WARM_BUILD, OTHER_CHECKOUT)} == BUILT_IN_CHECKS


def test_own_checks_come_before_the_build_that_changes_the_machine() -> None:
    planned = dataclasses.replace(plan(), own_checks={"models": b"true\n"})
    names = [check.name for check in list_checks(planned)]
    assert names == [*NAMES[:-1], "own-models", NAMES[-1]]


def test_what_may_change_the_machine_or_finds_what_jobs_leave_runs_alone() -> None:
    planned = dataclasses.replace(plan(), own_checks={"a": b"true\n", "b": b"true\n"})
    alone = [checks[0].name for checks in list_rounds(planned) if len(checks) == 1]
    assert alone == [
        "fleet-boot",
        "boot-finished",
        "no-secrets",
        "own-a",
        "own-b",
        "builds-are-warm",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_good_machine_passes(name: str, run: RunCheck) -> None:
    result = run(name)
    assert (result.name, result.outcome, result.hint) == (name, Outcome.PASS, "")
    assert result.evidence


@pytest.mark.parametrize("name", NAMES)
def test_a_check_whose_command_fails_is_unknown(name: str, script: Script, run: RunCheck) -> None:
    script.refuse = fail_on("")
    result = run(name, plan(fleet={"elastic_stack": True}))
    assert result.outcome is Outcome.UNKNOWN
    assert "it broke" in result.evidence


@pytest.mark.parametrize("name", ["builder-configured", "manifest-as-planned"])
def test_an_answer_that_cannot_be_read_is_unknown(name: str, run: RunCheck) -> None:
    class GarbledGuest(FakeGuest):
        def run(self, command: str, **options: object) -> str:  # type: ignore[override]
            return "!?"

    assert run(name, guest=GarbledGuest).outcome is Outcome.UNKNOWN
