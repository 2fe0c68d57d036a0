"""A secret that is not allowed fails; a scan without a result is unknown."""

from __future__ import annotations

import pytest

from amikiln.model.verdict import Outcome
from fakes import Script
from verify.checks.conftest import RunCheck

LOGIN_FOUND = "open\tregistry-login\t/root/.docker/config.json\ndone\n"
KEY_ALLOWED = "allowed\tprivate-key\t/opt/key\ta key that opens nothing\ndone\n"


@pytest.mark.parametrize(
    ("field", "value"),
    [("short_list", LOGIN_FOUND), ("manifest", {"scan": {"open": 2}})],
    ids=["found-by-the-short-list", "left-open-by-the-scan"],
)
def test_a_secret_fails(field: str, value: object, script: Script, run: RunCheck) -> None:
    setattr(script, field, value)
    result = run("no-secrets")
    assert (result.outcome, bool(result.hint)) == (Outcome.FAIL, True)


def test_an_image_that_was_never_scanned_is_unknown(script: Script, run: RunCheck) -> None:
    script.manifest = {"scan": None}
    assert run("no-secrets").outcome is Outcome.UNKNOWN


def test_a_short_list_that_broke_off_is_unknown(script: Script, run: RunCheck) -> None:
    script.short_list = ""
    assert run("no-secrets").outcome is Outcome.UNKNOWN


def test_what_the_spec_allows_passes(script: Script, run: RunCheck) -> None:
    script.short_list = KEY_ALLOWED
    assert run("no-secrets").outcome is Outcome.PASS
