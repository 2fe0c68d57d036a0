"""A secret that is not allowed fails; a scan without a result is unknown."""

from __future__ import annotations

import pytest

from amikiln.model.verdict import Outcome
from fakes import SCAN, Script
from verify.checks.conftest import RunCheck

LOGIN_FOUND = "open\tregistry-login\t/root/.docker/config.json\ndone\n"
KEY_ALLOWED = "allowed\tprivate-key\t/opt/key\ta key that opens nothing\ndone\n"


@pytest.mark.parametrize(
    ("field", "value"),
    [("short_list", LOGIN_FOUND), ("manifest", {"scan": {**SCAN, "open": 2}})],
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


def test_a_scan_that_read_nothing_is_unknown(script: Script, run: RunCheck) -> None:
    script.manifest = {"scan": {**SCAN, "files": 0}}
    assert run("no-secrets").outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("path", "file_hash", "outcome"),
    [
        ('/opt/we\\"ird', "a" * 64, Outcome.PASS),
        ('/opt/we\\"ird', "b" * 64, Outcome.FAIL),
        ("/opt/other", "a" * 64, Outcome.FAIL),
    ],
    ids=["unchanged", "changed", "elsewhere"],
)
def test_only_what_the_source_image_has_in_that_file_passes(
    path: str, file_hash: str, outcome: Outcome, script: Script, run: RunCheck
) -> None:
    known = {"kind": "private-key", "path": '/opt/we\\"ird', "sha256": "a" * 64}
    script.manifest = {"scan": {**SCAN, "source": [known]}}
    script.short_list = f"open\tprivate-key\t{path}\ndone\n"
    script.file_hash = file_hash
    result = run("no-secrets")
    assert result.outcome is outcome
    if outcome is Outcome.PASS:
        assert "1 of the source image" in result.evidence
        assert "sha256sum <'/opt/we\"ird' || true" in script.asked


def test_what_the_spec_allows_passes(script: Script, run: RunCheck) -> None:
    script.short_list = KEY_ALLOWED
    assert run("no-secrets").outcome is Outcome.PASS
