"""The policy's resources and conditions: they allow a whole cycle, and each of them is needed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from fnmatch import fnmatchcase
from typing import Any

import pytest

from amikiln.errors import AmikilnError, BakeError, VerifyError
from export.iam_account import POLICY, SPEC, Account
from export.iam_simulator import PolicySimulator, Request, allows
from fakes import fail_on
from harness import Harness, use_fakes
from localcloud.fixture import CloudFixture

STATEMENTS = [statement["Sid"] for statement in POLICY["Statement"]]


@pytest.fixture(scope="module")
def account(
    shared_cloud: CloudFixture, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Account]:
    """An account in which every call is checked against the policy."""
    with use_fakes(Harness(shared_cloud, tmp_path_factory.mktemp("account"))) as harness:
        simulator = PolicySimulator(harness, POLICY)
        yield Account(harness, simulator.allow, harness.run())


def remove(sid: str) -> dict[str, Any]:
    """Return the policy without a statement or, if it has a condition, with it never true."""
    policy = deepcopy(POLICY)
    (statement,) = [found for found in policy["Statement"] if found["Sid"] == sid]
    if "Condition" not in statement:
        policy["Statement"].remove(statement)
    else:
        test = statement["Condition"]["StringEquals"]
        test["ec2:CreateAction" if "ec2:CreateAction" in test else next(iter(test))] = "another"
    return policy


def test_a_whole_cycle_with_all_its_clean_up_is_allowed(account: Account, harness: Harness) -> None:
    assert account.first.skipped == ()
    harness.script.refuse = fail_on("30-builder")
    with pytest.raises(BakeError, match="it broke"):
        harness.run(rebake=True)
    harness.script.refuse = lambda command: None
    harness.script.owner_builder = "default"
    with pytest.raises(VerifyError, match="builder-answers"):
        harness.run(rebake=True)
    harness.script.owner_builder = SPEC.buildkit.builder
    done = harness.run(rebake=True)
    assert harness.pointer() == done.image.id
    assert "removed image" in harness.report.read()
    assert "left behind" not in harness.report.read()
    assert "not authorized" not in harness.report.read()


def test_a_key_pair_that_never_came_to_be_is_not_asked_to_be_deleted(
    account: Account, harness: Harness
) -> None:
    """AWS refuses that where a tag is asked for: what is not there carries none."""
    since = len(harness.report.said)
    account.allow(remove("MakeKeyPair"))
    with pytest.raises(BakeError, match="ImportKeyPair failed"):
        harness.run(rebake=True)
    assert "left behind" not in harness.report.read(since)


def test_what_another_spec_made_cannot_be_changed_or_removed() -> None:
    tag = "aws:ResourceTag/amikiln:image"
    of_ours = {
        (action, resource)
        for statement in POLICY["Statement"]
        if tag in statement.get("Condition", {}).get("StringEquals", {})
        for action in statement["Action"]
        for resource in statement["Resource"]
    }
    assert len(of_ours) > 10
    for action, resource in of_ours:
        assert allows(POLICY, Request(action, resource, {tag: SPEC.name})), action
        assert not allows(POLICY, Request(action, resource, {tag: "another"})), action
        assert not allows(POLICY, Request(action, resource, {})), action


@pytest.mark.parametrize("sid", [sid for sid in STATEMENTS if sid != "UseOwnSnapshot"])
def test_without_a_statement_or_with_its_condition_unmet_the_cycle_stops(
    account: Account, harness: Harness, sid: str
) -> None:
    account.allow(remove(sid))
    with pytest.raises(AmikilnError) as caught:
        harness.run(rebake=True)
    refused = re.search(r"not authorized to perform: (\S+) on (\S+)", caught.value.what)
    assert refused is not None, caught.value.what
    (statement,) = [found for found in POLICY["Statement"] if found["Sid"] == sid]
    assert refused[1] in statement["Action"]
    assert any(fnmatchcase(refused[2], pattern) for pattern in statement["Resource"])


def test_without_its_snapshots_a_failed_image_is_not_swept_whole(
    account: Account, harness: Harness
) -> None:
    harness.script.owner_builder = "default"
    with pytest.raises(VerifyError, match="builder-answers"):
        harness.run(rebake=True)
    # An earlier test may have left a proven image unpublished: then this run verifies it again.
    harness.script.owner_builder = SPEC.buildkit.builder
    since = len(harness.report.said)
    account.allow(remove("UseOwnSnapshot"))
    harness.run()
    assert "DeleteSnapshot failed: UnauthorizedOperation" in harness.report.read(since)
