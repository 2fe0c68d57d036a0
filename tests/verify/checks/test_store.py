"""BuildKit's store holds what it held at the bake."""

from __future__ import annotations

import json

import pytest

from amikiln.model.verdict import Outcome
from fakes import STORE, Script, plan, plan_of
from verify.checks.conftest import RunCheck


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps({**STORE, "bytes": STORE["bytes"] - 1}) + "\n",
        json.dumps({**STORE, "records": 3}) + "\n",
        json.dumps(STORE) + "\n/var/lib/buildkit/cache.db.0abc.bak\n",
    ],
    ids=["fewer-bytes", "fewer-records", "database-set-aside"],
)
def test_a_store_that_lost_something_fails_with_a_hint(
    answer: str, script: Script, run: RunCheck
) -> None:
    script.store = answer
    result = run("store-kept")
    assert result.outcome is Outcome.FAIL
    assert result.evidence
    assert result.hint


def test_a_store_that_was_empty_at_the_bake_is_no_pass(script: Script, run: RunCheck) -> None:
    empty = {"records": 0, "bytes": 0}
    script.manifest, script.store = {"store": empty}, json.dumps(empty) + "\n"
    result = run("store-kept")
    assert (result.outcome, "empty at the bake" in result.evidence) == (Outcome.FAIL, True)
    without = plan().spec.model_copy(update={"warm": None})
    assert run("store-kept", plan_of(without)).outcome is Outcome.PASS


def test_a_store_that_grew_passes(script: Script, run: RunCheck) -> None:
    script.store = json.dumps({"records": 18, "bytes": STORE["bytes"] + 1}) + "\n"
    assert run("store-kept").outcome is Outcome.PASS
