"""A whole cycle with exactly the exported policy, and what fails without each of its actions.

The local cloud enforces IAM as moto does, by the action only. What it cannot enforce is listed at
the end, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy

import pytest

from amikiln import pipeline
from amikiln.errors import AmikilnError, BakeError, VerifyError
from amikiln.model.image import ForceReason
from amikiln.model.run import Run
from amikiln.report.status import read_status
from amikiln.rollout.rollout import roll_out
from export.iam_account import (
    BY_CONFIGURATION,
    POLICY,
    SPEC,
    Account,
    make_group_by_configuration,
)
from fakes import fail_on, spec
from harness import Harness, use_fakes
from localcloud.enforcement import Policy, enforce
from localcloud.fixture import CloudFixture


@pytest.fixture(scope="module")
def account(
    shared_cloud: CloudFixture, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Account]:
    """An account with a group that follows the pointer, and moto's enforcement of the policy."""
    folder = tmp_path_factory.mktemp("account")
    with (
        enforce(shared_cloud, POLICY) as user,
        use_fakes(Harness(shared_cloud, folder, user.keys)) as harness,
    ):
        first = harness.run()
        harness.follow()
        make_group_by_configuration(harness)
        yield Account(harness, user.allow, first)


def list_actions(policy: Policy) -> set[str]:
    return {action for statement in policy["Statement"] for action in statement["Action"]}


def remove(action: str) -> Policy:
    """Return the policy with one action taken out of all its statements."""
    policy = deepcopy(POLICY)
    for statement in policy["Statement"]:
        statement["Action"] = [other for other in statement["Action"] if other != action]
    policy["Statement"] = [found for found in policy["Statement"] if found["Action"]]
    assert list_actions(policy) == list_actions(POLICY) - {action}
    return policy


def operation(action: str) -> str:
    return action.partition(":")[2]


def new_run() -> Run:
    return pipeline.new_run(SPEC.name)


# -- with the policy --------------------------------------------------------------------------


def test_a_whole_cycle_runs_with_exactly_this_policy(account: Account, harness: Harness) -> None:
    assert account.first.skipped == ()
    second = harness.run(rebake=True)
    assert harness.pointer() == second.image.id != account.first.image.id
    (group,) = second.turnover
    assert group.follows
    assert not any("left behind" in line or "cannot" in line for line in harness.report.said)


def test_so_do_the_verbs_that_are_parts_of_it(harness: Harness) -> None:
    since = len(harness.report.said)
    session, file, word = harness.session, harness.folder / "verdict.json", "urgent"
    image = pipeline.bake_image(harness.image(SPEC), new_run(), session).image
    pipeline.verify_image(harness.image(SPEC), image.id, new_run(), session, file)
    pipeline.publish_image(
        harness.image(SPEC), image.id, ForceReason(image.id, word), new_run(), session
    )
    (group,) = roll_out(SPEC, image.id, harness.session)
    assert group.follows
    assert read_status(SPEC, harness.session).published_image == image.id
    assert "left behind" not in harness.report.read(since)


def test_so_do_clean_up_and_the_next_runs_sweep(harness: Harness) -> None:
    since = len(harness.report.said)
    harness.script.refuse = fail_on("30-builder")
    with pytest.raises(BakeError, match="it broke"):
        harness.run(rebake=True, keep_on_error=True)
    (instance,) = harness.holdings()["instances"]
    harness.ec2.terminate_instances(InstanceIds=[instance])
    harness.script.refuse = lambda command: None
    harness.script.owner_builder = "default"
    with pytest.raises(VerifyError):
        harness.run(rebake=True)
    harness.script.owner_builder = SPEC.buildkit.builder
    harness.run()
    said = harness.report.read(since)
    for what in ("security group", "key pair", "image"):
        assert f"removed {what}" in said
    assert "left behind" not in said
    assert "cannot" not in said


# -- without one of its actions ---------------------------------------------------------------


def a_proven_image_is_there(harness: Harness) -> None:
    harness.run()


def an_image_is_baked(harness: Harness) -> None:
    harness.run(rebake=True)


def a_group_has_a_launch_configuration(harness: Harness) -> None:
    harness.run(spec(fleet={"auto_scaling_groups": [BY_CONFIGURATION]}))


STOPS: dict[str, Callable[[Harness], None]] = {
    "autoscaling:DescribeAutoScalingGroups": a_proven_image_is_there,
    "autoscaling:DescribeLaunchConfigurations": a_group_has_a_launch_configuration,
    "ec2:AuthorizeSecurityGroupIngress": an_image_is_baked,
    "ec2:CreateImage": an_image_is_baked,
    "ec2:CreateSecurityGroup": an_image_is_baked,
    "ec2:CreateTags": an_image_is_baked,
    "ec2:DescribeImages": a_proven_image_is_there,
    "ec2:DescribeInstanceTypeOfferings": a_proven_image_is_there,
    "ec2:DescribeInstanceTypes": a_proven_image_is_there,
    "ec2:DescribeInstances": a_proven_image_is_there,
    "ec2:DescribeKeyPairs": a_proven_image_is_there,
    "ec2:DescribeLaunchTemplateVersions": a_proven_image_is_there,
    "ec2:DescribeRouteTables": a_proven_image_is_there,
    "ec2:DescribeSecurityGroups": a_proven_image_is_there,
    "ec2:DescribeSnapshots": a_proven_image_is_there,
    "ec2:DescribeSubnets": a_proven_image_is_there,
    "ec2:EnableImageDeprecation": an_image_is_baked,
    "ec2:ImportKeyPair": an_image_is_baked,
    "ec2:RunInstances": an_image_is_baked,
    "ec2:StopInstances": an_image_is_baked,
    "ssm:GetParameter": a_proven_image_is_there,
    "ssm:GetParameterHistory": a_proven_image_is_there,
    "ssm:GetParameters": a_proven_image_is_there,
    "ssm:GetParametersByPath": a_proven_image_is_there,
    "ssm:PutParameter": a_proven_image_is_there,
}
"""Actions without which a cycle stops, and the shortest such cycle."""

STOPS_THE_NEXT = "ssm:DeleteParameter"
CLEANS_UP = ("ec2:DeleteKeyPair", "ec2:DeleteSecurityGroup", "ec2:TerminateInstances")
SWEEPS = ("ec2:DeregisterImage", "ec2:DeleteSnapshot")
EXPLAINS = "ec2:GetConsoleOutput"
"""Without these a cycle continues, or fails with the same error; each has its own test."""


@pytest.mark.parametrize("action", STOPS)
def test_without_it_the_cycle_stops_and_says_what_to_allow(
    account: Account, harness: Harness, action: str
) -> None:
    account.allow(remove(action))
    with pytest.raises(AmikilnError) as caught:
        STOPS[action](harness)
    error = caught.value
    assert error.what.startswith(f"{operation(action)} failed: ")
    assert f"not authorized to perform: {action}" in error.what
    assert error.hint is not None
    assert error.hint.startswith(f"allow {action} ")
    assert "amikiln export iam-policy" in error.hint
    assert error.exit_code != AmikilnError.exit_code, "an error of a stage"


def test_without_deleting_parameters_a_second_run_cannot_take_the_lease(
    account: Account, harness: Harness
) -> None:
    # Another name, because the lease is not released and would block the other tests.
    wanted = spec(name="one-term")
    harness.script.refuse = fail_on("steps/")
    with pytest.raises(BakeError):
        harness.run(wanted)
    account.allow(remove(STOPS_THE_NEXT))
    with pytest.raises(AmikilnError, match="DeleteParameter failed") as caught:
        harness.run(wanted)
    assert "allow ssm:DeleteParameter" in (caught.value.hint or "")


@pytest.mark.parametrize("action", CLEANS_UP)
def test_without_it_resources_are_left_behind_and_reported(
    account: Account, harness: Harness, action: str
) -> None:
    since = len(harness.report.said)
    harness.script.refuse = fail_on("steps/")
    account.allow(remove(action))
    with pytest.raises(BakeError, match="it broke"):
        harness.run(rebake=True)
    said = harness.report.read(since)
    assert "left behind: " in said
    assert f"not authorized to perform: {action}" in said


@pytest.mark.parametrize("action", SWEEPS)
def test_without_it_the_sweep_reports_the_image_that_it_cannot_remove(
    account: Account, harness: Harness, action: str
) -> None:
    harness.script.owner_builder = "default"
    with pytest.raises(VerifyError) as caught:
        harness.run(rebake=True)
    image = caught.value.what.split()[0]
    since = len(harness.report.said)
    account.allow(remove(action))
    harness.run()
    refused = f"cannot remove image {image} of a dead run: {operation(action)} failed: "
    assert refused in harness.report.read(since)


def test_without_the_console_a_machine_that_refuses_ssh_is_explained_less(
    account: Account, harness: Harness
) -> None:
    harness.script.knocks_before_answer = 10**9
    account.allow(remove(EXPLAINS))
    with pytest.raises(AmikilnError, match="Connection refused") as caught:
        harness.run(spec(deadlines={"boot_seconds": 1}), rebake=True)
    assert "its console could not be read: GetConsoleOutput failed: " in caught.value.what


# -- what cannot be shown here ----------------------------------------------------------------

NOT_ENFORCED = {
    "sts:GetCallerIdentity": "AWS allows it to everybody, and so does moto",
}
"""Actions that are always allowed."""

NOT_CHECKED = {
    "aws:RequestTag/amikiln:image": "moto does not evaluate conditions",
    "aws:RequestedRegion": "moto does not evaluate conditions",
    "aws:ResourceTag/amikiln:image": "moto does not evaluate conditions",
    "ec2:CreateAction": "moto requires no ec2:CreateTags for tags of a new resource",
    "ec2:Owner": "moto does not evaluate conditions",
}
"""Condition keys that moto ignores; it ignores a statement's resources too."""


def test_every_action_is_shown_to_be_needed_or_listed_as_not_enforced() -> None:
    shown = [*STOPS, STOPS_THE_NEXT, *CLEANS_UP, *SWEEPS, EXPLAINS, *NOT_ENFORCED]
    assert sorted(shown) == sorted(list_actions(POLICY))


def test_an_action_that_is_not_enforced_is_done_without_a_policy(
    account: Account, harness: Harness
) -> None:
    account.allow(remove("sts:GetCallerIdentity"))
    assert harness.session.cloud.account == "123456789012"
    harness.run()


def test_every_condition_is_named_that_is_not_checked() -> None:
    keys = {
        key
        for statement in POLICY["Statement"]
        for test in statement.get("Condition", {}).values()
        for key in test
    }
    assert keys == set(NOT_CHECKED)


def test_a_condition_is_really_not_checked(account: Account, harness: Harness) -> None:
    policy = deepcopy(POLICY)
    for statement in policy["Statement"]:
        for test in statement.get("Condition", {}).values():
            test.update(dict.fromkeys(test, "something else"))
    account.allow(policy)
    harness.run()


def test_encryption_is_not_enforced() -> None:
    """The local cloud encrypts nothing: no call asks for a key, and none is granted here."""
    assert not any(action.startswith("kms:") for action in list_actions(POLICY))
