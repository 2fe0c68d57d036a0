"""Credentials that end too soon for any run are a fault before it, those that may be a warning."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from botocore.credentials import (
    Credentials,
    DeferredRefreshableCredentials,
    EnvProvider,
    RefreshableCredentials,
    create_mfa_serial_refresher,
)

from amikiln.model.plan import Command
from amikiln.plan.credentials import check_credentials
from amikiln.session import Session
from fakes import plan
from harness import Harness


def ends_in(minutes: int) -> dict[str, str]:
    at = datetime.now(UTC) + timedelta(minutes=minutes, seconds=30)
    return {"access_key": "A", "secret_key": "S", "token": "T", "expiry_time": at.isoformat()}


def of_environment(minutes: int | None) -> Credentials:
    values = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_SESSION_TOKEN": "T"}
    if minutes is not None:
        values["AWS_CREDENTIAL_EXPIRATION"] = ends_in(minutes)["expiry_time"]
    found: Credentials = EnvProvider(environ=values).load()
    return found


def renewed(source: str) -> Credentials:
    return RefreshableCredentials.create_from_metadata(
        ends_in(60), refresh_using=lambda: ends_in(60), method=source
    )


def with_a_code(minutes: int) -> Credentials:
    refresh = create_mfa_serial_refresher(lambda: ends_in(minutes))
    found = DeferredRefreshableCredentials(method="assume-role", refresh_using=refresh)
    found.get_frozen_credentials()
    return found


def use(harness: Harness, credentials: Credentials | None) -> Session:
    cloud = dataclasses.replace(harness.session.cloud, credentials=credentials)
    return dataclasses.replace(harness.session, cloud=cloud)


@pytest.mark.parametrize("source", ["iam-role", "container-role", "sso", "assume-role"])
def test_those_that_are_renewed_are_no_fault_however_soon_they_end(
    harness: Harness, source: str
) -> None:
    assert list(check_credentials(plan(), "run", use(harness, renewed(source)))) == []
    assert f"the credentials ({source}) are renewed when they end" in harness.report.said


Make = Callable[[int], Credentials]
EARLY = {of_environment: 0, with_a_code: 10}
"""How many minutes before their end they cannot be used any more."""


@pytest.mark.parametrize("make", [of_environment, with_a_code])
@pytest.mark.parametrize("command", ["run", "bake", "verify"])
def test_those_that_end_within_the_boot_are_a_fault(
    harness: Harness, make: Make, command: Command
) -> None:
    boot, early = 2 * 600 // 60, EARLY[make]
    soon = use(harness, make(boot - 1 + early))
    (fault,) = check_credentials(plan(), command, soon)
    assert f"UTC, in {boot - 1} min, and `{command}` needs {boot} min at least" in fault
    assert "deadlines.boot_seconds" in fault
    assert list(check_credentials(plan(), command, use(harness, make(boot + early)))) == []


def test_those_that_ended_are_a_fault(harness: Harness) -> None:
    (fault,) = check_credentials(plan(), "verify", use(harness, of_environment(-5)))
    assert "UTC, in the past, and `verify` needs" in fault


@pytest.mark.parametrize("command", ["run", "bake", "verify"])
def test_those_that_may_end_before_the_command_are_a_warning_with_what_happens_then(
    harness: Harness, command: Command
) -> None:
    needed = plan().longest(command).minutes
    assert list(check_credentials(plan(), command, use(harness, of_environment(needed - 1)))) == []
    (said,) = harness.report.said
    assert said.startswith("warning: the credentials (env) end at 20")
    hours = f"{needed // 60} h {needed % 60} min"
    assert f"the spec's deadlines `{command}` may need {hours}; if they end first" in said
    assert "its machine ends itself then" in said
    assert list(check_credentials(plan(), command, use(harness, of_environment(needed)))) == []
    assert harness.report.said[-1].endswith(f"longer than `{command}` may take")
    assert not harness.report.said[-1].startswith("warning")


def test_twelve_hours_are_enough_to_begin_and_each_command_asks_for_its_own_time() -> None:
    # A login at work in the morning. All deadlines together are days.
    at_least = {it: plan().longest(it).minutes for it in ("run", "bake", "verify")}
    assert at_least["run"] > at_least["bake"] > 12 * 60
    assert at_least["verify"] < at_least["bake"]


def test_less_than_any_bake_so_far_took_is_a_fault_unless_there_is_nothing_to_bake(
    harness: Harness,
) -> None:
    done = harness.run()
    image = done.image.id
    took = datetime.now(UTC) - timedelta(minutes=90, seconds=30)
    run = f"cpu-build-{took:%Y%m%d-%H%M%S}-0a1b2c"
    harness.ec2.create_tags(Resources=[image], Tags=[{"Key": "amikiln:run", "Value": run}])
    hour = use(harness, of_environment(60))
    assert list(check_credentials(done.plan, "run", hour)) == []
    other = dataclasses.replace(done.plan, digest="0" * 64)
    assert list(check_credentials(other, "verify", hour)) == []
    for command in ("run", "bake"):
        (fault,) = check_credentials(other, command, hour)
        assert f"`{command}` needs 1 h 30 min at least: no bake whose image is" in fault
        assert list(check_credentials(other, command, use(harness, of_environment(91)))) == []
    harness.ec2.create_tags(Resources=[image], Tags=[{"Key": "amikiln:run", "Value": "by hand"}])
    assert list(check_credentials(other, "bake", hour)) == []


def test_an_unknown_end_is_a_warning(harness: Harness) -> None:
    assert list(check_credentials(plan(), "run", use(harness, of_environment(None)))) == []
    assert "warning: the credentials (env) are temporary and do not say" in harness.report.read()


def test_a_users_own_key_does_not_end(harness: Harness) -> None:
    since = len(harness.report.said)
    for credentials in (Credentials("A", "S"), None):
        assert list(check_credentials(plan(), "run", use(harness, credentials))) == []
    assert harness.report.said[since:] == []
