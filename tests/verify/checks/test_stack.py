"""What an Elastic CI Stack starts has to be in its image; other fleets need none of it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from amikiln.model.plan import Plan
from amikiln.model.verdict import Outcome
from amikiln.verify.checks.stack import USER_DATA
from fakes import Script, plan
from verify.checks.conftest import RunCheck

FOR_A_STACK: dict[str, Any] = {"fleet": {"elastic_stack": True}}
THERE = "bk-install-elastic-stack.sh\tthere\t/usr/local/bin/bk-install-elastic-stack.sh\n"


def of_release(version: str) -> Plan:
    return plan(source={"stack_version": version})


def test_an_image_for_another_fleet_needs_nothing(script: Script, run: RunCheck) -> None:
    result = run("stack-complete")
    assert (result.outcome, script.asked) == (Outcome.PASS, [])


@pytest.mark.parametrize("state", ["missing", "empty", "not executable"])
def test_a_program_that_cannot_be_started_fails_the_image(
    state: str, script: Script, run: RunCheck
) -> None:
    script.programs = f"bk-install-elastic-stack.sh\t{state}\t\n"
    result = run("stack-complete", plan(**FOR_A_STACK))
    assert result.outcome is Outcome.FAIL
    assert f"bk-install-elastic-stack.sh is {state}" in result.evidence


@pytest.mark.parametrize("state", ["masked", "not-found", "bad-setting"])
def test_a_unit_that_cannot_be_started_fails_the_image(
    state: str, script: Script, run: RunCheck
) -> None:
    script.programs, script.units = THERE, script.units + f"docker-gc.timer\t{state}\t\n"
    result = run("stack-complete", plan(**FOR_A_STACK))
    assert result.outcome is Outcome.FAIL
    assert f"docker-gc.timer is {state}" in result.evidence


def test_jobs_that_run_as_another_user_than_the_builders_fail_the_image(
    script: Script, run: RunCheck
) -> None:
    script.programs = THERE
    builder = {"builder": "baked-vllm-builder", "owner": "ci"}
    result = run("stack-complete", plan(**FOR_A_STACK, buildkit=builder))
    assert result.outcome is Outcome.FAIL
    assert "runs jobs as buildkite-agent, and the builder is ci's" in result.evidence


def test_user_data_that_does_not_run_fails_the_image(script: Script, run: RunCheck) -> None:
    from fakes import FakeGuest

    class Disabled(FakeGuest):
        def run(self, command: str, **options: Any) -> str:
            if "cloud-init.disabled" in command:
                return "cloud-final.service is not enabled\n"
            return super().run(command, **options)

    script.programs = THERE
    result = run("stack-complete", plan(**FOR_A_STACK), guest=Disabled)
    assert result.outcome is Outcome.FAIL
    assert "user data does not run: cloud-final.service" in result.evidence


@pytest.mark.parametrize(
    ("answers", "off"),
    [
        ({}, ""),
        ({"cloud-init.service": "not-found"}, ""),
        ({"cloud-final.service": "masked"}, "cloud-final.service is not enabled\n"),
        ({"cloud-final.service": "not-found"}, "cloud-final.service is not enabled\n"),
        ({"cloud-init.service": "disabled"}, "cloud-init.service is not enabled\n"),
    ],
)
def test_what_switches_user_data_off_is_seen(
    answers: dict[str, str], off: str, tmp_path: Path
) -> None:
    cases = "".join(f"*{unit}) echo {state} ;;\n" for unit, state in answers.items())
    programs = {"cloud-init": "", "systemctl": f'case "$*" in\n{cases}*) echo enabled ;; esac'}
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    said = subprocess.run(
        ["sh", "-c", USER_DATA],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert said.stdout == off


@pytest.mark.parametrize(
    ("version", "mounts"),
    [("v5.6.1", False), ("v5.7.0", True), ("v6.0.0-beta1", True), ("v6.71.1", True)],
)
def test_a_release_is_asked_for_what_it_has(
    version: str, mounts: bool, script: Script, run: RunCheck
) -> None:
    script.programs = THERE
    assert run("stack-complete", of_release(version)).outcome is Outcome.PASS
    (asked,) = (command for command in script.asked if "fleet.sh programs" in command)
    assert ("bk-mount-instance-storage.sh" in asked) == mounts
    assert "bk-configure-docker.sh" in asked


def test_a_stacks_image_can_be_for_another_fleet(script: Script, run: RunCheck) -> None:
    planned = plan(source={"stack_version": "v6.71.1"}, fleet={"elastic_stack": False})
    assert run("stack-complete", planned).outcome is Outcome.PASS
    assert script.asked == []
