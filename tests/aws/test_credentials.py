"""Credentials that end: when, and what is said then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import boto3
import botocore.session
import pytest
from botocore.credentials import (
    Credentials,
    DeferredRefreshableCredentials,
    EnvProvider,
    RefreshableCredentials,
    create_mfa_serial_refresher,
)

from amikiln.aws.credentials import CredentialsEnded, describe_life, explain_end
from amikiln.aws.errors import AwsFailure, explain


def describe(minutes: float) -> dict[str, str]:
    at = datetime.now(UTC) + timedelta(minutes=minutes, seconds=1)
    return {"access_key": "A", "secret_key": "S", "token": "T", "expiry_time": at.isoformat()}


def of_environment(minutes: float) -> RefreshableCredentials:
    values = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_SESSION_TOKEN": "T"}
    values["AWS_CREDENTIAL_EXPIRATION"] = describe(minutes)["expiry_time"]
    found: RefreshableCredentials = EnvProvider(environ=values).load()
    return found


def with_a_code(minutes: float) -> RefreshableCredentials:
    refresh = create_mfa_serial_refresher(lambda: describe(minutes))
    found = DeferredRefreshableCredentials(method="assume-role", refresh_using=refresh)
    found.get_frozen_credentials()
    return found


@pytest.mark.parametrize(("make", "minutes"), [(of_environment, 5), (with_a_code, 12)])
def test_they_are_used_until_their_end(make: type, minutes: float) -> None:
    credentials = make(minutes)
    explain_end(credentials)
    explain_end(credentials)  # a second client of the same session
    assert credentials.get_frozen_credentials().token == "T"
    life = describe_life(credentials)
    assert life is not None
    assert not life.is_renewed
    assert life.minutes_left() == (5 if make is of_environment else 2)


@pytest.mark.parametrize(("make", "minutes"), [(of_environment, -1), (with_a_code, 9)])
def test_once_they_ended_a_call_says_so_and_what_to_do(make: type, minutes: float) -> None:
    credentials = make(minutes)
    explain_end(credentials)
    core = botocore.session.Session()
    core._credentials = credentials
    client = boto3.Session(botocore_session=core, region_name="us-east-1").client("ec2")
    with pytest.raises(CredentialsEnded) as caught:
        client.describe_instances()
    assert isinstance(caught.value, AwsFailure)
    what, hint = explain(caught.value)
    method = credentials.method
    assert what.startswith(f"the AWS credentials ({method}) ended at 20")
    assert what.endswith("UTC, and nothing renews them")
    assert hint is not None
    assert "log in again" in hint
    assert "removes what is left of this run" in hint


def test_those_that_renew_themselves_and_those_that_do_not_end_are_left_alone() -> None:
    asked: list[bool] = []

    def renew() -> dict[str, str]:
        asked.append(True)
        return describe(60)

    renewed = RefreshableCredentials.create_from_metadata(describe(1), renew, "iam-role")
    explain_end(renewed)
    assert renewed.get_frozen_credentials().access_key == "A"
    assert asked == [True]
    explain_end(Credentials("A", "S"))
    explain_end(None)
