"""A machine that answers as a good one would, and a way to run one check on it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from amikiln.model.plan import Plan
from amikiln.model.verdict import CheckResult
from amikiln.runtime.guest import Login
from amikiln.verify.checks.finding import Subject
from amikiln.verify.checks.run import list_checks, run_check
from fakes import FakeGuest, Script, obey, plan

LOGIN = Login("127.0.1.2", "ec2-user", Path("unused"))


class RunCheck(Protocol):
    def __call__(
        self, name: str, planned: Plan | None = None, *, guest: type[FakeGuest] = FakeGuest
    ) -> CheckResult: ...


@pytest.fixture
def script() -> Script:
    script = Script()
    obey(script, plan())
    return script


@pytest.fixture
def run(script: Script) -> RunCheck:
    """Run the check of a name on a machine that follows the script."""

    def run_named(
        name: str, planned: Plan | None = None, *, guest: type[FakeGuest] = FakeGuest
    ) -> CheckResult:
        planned = planned or plan()
        (check,) = (check for check in list_checks(planned) if check.name == name)
        subject = Subject(guest(LOGIN, script), planned, planned.digest, script.machine)
        return run_check(check, subject)

    return run_named
