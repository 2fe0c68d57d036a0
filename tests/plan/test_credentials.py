"""Credentials that end during a run are a fault before it; those that are renewed are none."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from botocore.credentials import (
    Credentials,
    DeferredRefreshableCredentials,
    EnvProvider,
    RefreshableCredentials,
    create_mfa_serial_refresher,
)

from amikiln.plan.credentials import check_credentials
from amikiln.session import Session
from fakes import plan
from harness import Harness

NEEDED = plan().longest_run.minutes


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
    assert list(check_credentials(plan(), use(harness, renewed(source)))) == []
    assert f"the credentials ({source}) are renewed when they end" in harness.report.said


@pytest.mark.parametrize("make", [of_environment, with_a_code])
def test_those_that_are_not_have_to_last_as_long_as_all_deadlines_together(
    harness: Harness, make: object
) -> None:
    (fault,) = check_credentials(plan(), use(harness, make(NEEDED - 1)))  # type: ignore[operator]
    assert f"end in {NEEDED - 1} minutes" in fault
    assert f"a run may need {NEEDED}" in fault
    assert list(check_credentials(plan(), use(harness, make(NEEDED)))) == []  # type: ignore[operator]


def test_an_unknown_end_is_said(harness: Harness) -> None:
    assert list(check_credentials(plan(), use(harness, of_environment(None)))) == []
    assert "do not say when they end" in harness.report.read()


def test_a_users_own_key_does_not_end(harness: Harness) -> None:
    since = len(harness.report.said)
    for credentials in (Credentials("A", "S"), None):
        assert list(check_credentials(plan(), use(harness, credentials))) == []
    assert harness.report.said[since:] == []
