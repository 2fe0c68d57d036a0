"""Each call to AWS and each ssh command of a cycle fails in turn; each time nothing is left.

Every failure starts from an account of its own, so that none of them profits from another's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from amikiln.errors import AmikilnError, Interrupted
from amikiln.runtime.guest import GuestCommandFailed, GuestUnreachable
from harness import POINTER, Harness, use_fakes
from localcloud.fixture import CloudFixture

READS = (
    "DescribeAutoScalingGroups",
    "DescribeImages",
    "DescribeInstanceTypeOfferings",
    "DescribeInstanceTypes",
    "DescribeInstances",
    "DescribeKeyPairs",
    "DescribeLaunchTemplateVersions",
    "DescribeRouteTables",
    "DescribeSecurityGroups",
    "DescribeSnapshots",
    "DescribeSubnets",
    "GetParameter",
    "GetParameterHistory",
    "GetParameters",
    "GetParametersByPath",
)
WRITES = (
    "AuthorizeSecurityGroupIngress",
    "CreateImage",
    "CreateSecurityGroup",
    "CreateTags",
    "DeleteKeyPair",
    "DeleteSecurityGroup",
    "EnableImageDeprecation",
    "ImportKeyPair",
    "PutParameter",
    "RunInstances",
    "StopInstances",
    "TerminateInstances",
)


class OurOwnError(Exception):
    """An exception of ours that no code expects."""


def refused(operation: str) -> Exception:
    answer: Any = {"Error": {"Code": "OperationNotPermitted", "Message": "try as you like"}}
    return ClientError(answer, operation)


def broken(operation: str) -> Exception:
    answer: Any = {"Error": {"Code": "InternalError", "Message": "it broke"}}
    return ClientError(answer, operation)


def lost(operation: str) -> Exception:
    return ReadTimeoutError(endpoint_url="https://ec2.us-east-1.amazonaws.com/")


@dataclass(frozen=True)
class Failure:
    """How a call fails.

    Attributes:
        when: As botocore names its events: before AWS got the call, or after it was carried out.
        error: Makes what is raised, from the operation's name.
    """

    when: str
    error: Callable[[str], BaseException]


REFUSED = Failure("before-call", refused)
BROKEN = Failure("after-call", broken)
ANSWER_LOST = Failure("after-call", lost)
CTRL_C_BEFORE = Failure("before-call", lambda operation: Interrupted())
CTRL_C_AFTER = Failure("after-call", lambda operation: Interrupted())
OUR_OWN = Failure("after-call", OurOwnError)

# Our own exception passes no handler that lets both other kinds pass, and is stopped by none that
# stops neither: "except Exception" stops AWS's errors too, "except BaseException" also Ctrl-C.
# So one of its kind is enough, where it is hardest: the thing is made, and nobody knows its id.
OUTLASTED = (BROKEN, ANSWER_LOST)
"""What AWS did not refuse is asked for again, and is there once all the same."""
FAILURES_OF_A_WRITE = {
    "refused": REFUSED,
    "broken": BROKEN,
    "answer-lost": ANSWER_LOST,
    "ctrl-c-before": CTRL_C_BEFORE,
    "ctrl-c-after": CTRL_C_AFTER,
    "exception-of-ours": OUR_OWN,
}
# A read changes nothing, so before and after are the same.
FAILURES_OF_A_READ = {"refused": REFUSED, "ctrl-c": CTRL_C_BEFORE}

CASES = [
    pytest.param(operation, failure, id=f"{operation}-{name}")
    for operations, failures in ((READS, FAILURES_OF_A_READ), (WRITES, FAILURES_OF_A_WRITE))
    for operation in operations
    for name, failure in failures.items()
]

COMMAND_FAILURES: dict[str, Callable[[str], BaseException]] = {
    "a-failing-command": lambda command: GuestCommandFailed(command, 1, "it broke"),
    "a-lost-machine": lambda command: GuestUnreachable(f"lost the machine in {command}"),
    "ctrl-c": lambda command: Interrupted(),
}
PARTS = 6
"""The ssh commands are spread over this many test cases."""


@dataclass
class Calls:
    """Counts a session's calls by operation, and lets one of them fail.

    Attributes:
        failed: Whether the call to fail came.
    """

    operation: str = ""
    number: int = 0
    failure: Failure = REFUSED
    counts: Counter[str] = field(default_factory=Counter)
    failed: bool = False

    def watch(self, harness: Harness) -> None:
        for client in harness.clients():
            client.meta.events.register(f"{self.failure.when}.*.*", self._count)

    def _count(self, model: Any, **other: Any) -> None:
        self.counts[model.name] += 1
        if model.name == self.operation and self.counts[model.name] == self.number:
            self.failed = True
            raise self.failure.error(model.name)


@dataclass
class Commands:
    """Counts ssh commands, and lets one of them fail.

    Attributes:
        number: Which one, from 0.
        failed: The command that failed.
    """

    number: int
    error: Callable[[str], BaseException]
    seen: int = 0
    failed: str | None = None

    def count(self, command: str) -> None:
        self.seen += 1
        if self.seen == self.number + 1:
            self.failed = command
            raise self.error(command)


@contextmanager
def new_account(folder: Path) -> Iterator[Harness]:
    """Set up an account whose pointer names an image of an earlier time."""
    folder.mkdir()
    cloud = CloudFixture(folder)
    try:
        with use_fakes(Harness(cloud, folder)) as harness:
            harness.ssm.put_parameter(
                Name=POINTER, Value=cloud.base, Type="String", DataType="aws:ec2:image"
            )
            cloud.until_pointers_are_checked()
            harness.follow()
            yield harness
    finally:
        cloud.stop()


@dataclass(frozen=True)
class GoodRun:
    """What a cycle that nothing disturbs calls, and what the account holds before it."""

    calls: dict[str, int]
    commands: list[str]
    nothing: dict[str, list[str]]


@pytest.fixture(scope="session")
def good_run(tmp_path_factory: pytest.TempPathFactory) -> GoodRun:
    with new_account(tmp_path_factory.mktemp("good-run") / "account") as harness:
        nothing = left_over(harness)
        calls = Calls()
        calls.watch(harness)
        harness.run()
        return GoodRun(dict(calls.counts), list(harness.script.asked), nothing)


def left_over(harness: Harness) -> dict[str, list[str]]:
    """Return what the account holds, less images that are finished: the next run takes those up.

    So it does with the machine of an image that was still being written.
    """
    harness.cloud.until_at_rest()
    if any("is kept for the next run" in line for line in harness.report.said):
        harness.run()
    images = harness.ec2.describe_images(Owners=["self"])["Images"]
    finished = [image for image in images if image["State"] == "available"]
    snapshots = {m["Ebs"]["SnapshotId"] for i in finished for m in i["BlockDeviceMappings"]}
    holds = harness.holdings()
    holds["images"] = sorted(set(holds["images"]) - {image["ImageId"] for image in finished})
    holds["snapshots"] = sorted(set(holds["snapshots"]) - snapshots)
    return holds


def test_every_operation_of_a_cycle_is_listed(good_run: GoodRun) -> None:
    assert good_run.calls.keys() == {*READS, *WRITES}
    assert all(name.startswith(("Describe", "Get")) for name in READS)


@pytest.mark.parametrize(("operation", "failure"), CASES)
def test_whichever_call_fails_nothing_is_left(
    good_run: GoodRun, tmp_path: Path, operation: str, failure: Failure
) -> None:
    for number in range(1, good_run.calls[operation] + 1):
        with new_account(tmp_path / str(number)) as harness:
            calls = Calls(operation, number, failure)
            calls.watch(harness)
            try:
                harness.run()
            except (AmikilnError, OurOwnError, Interrupted, ClientError) as caught:
                said, outcome = "\n".join([str(caught), *harness.report.said]), "failed"
                assert calls.failed, f"failed without our doing: {said}"
            else:
                said, outcome = "\n".join(harness.report.said), "done"
            # How often a state is asked for is a matter of time.
            assert calls.failed or (operation in READS and number > 1), number
            assert left_over(harness) == good_run.nothing, number
            if failure in OUTLASTED:
                assert outcome == "done", (number, said)
            if failure is REFUSED and calls.failed and not taken_back_at_second_try(operation):
                assert operation in said, number


def taken_back_at_second_try(operation: str) -> bool:
    """Tell whether a call is part of taking back, which is tried again without a word."""
    return operation.startswith(("Delete", "Terminate", "Deregister", "Describe"))


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("error", COMMAND_FAILURES.values(), ids=COMMAND_FAILURES.keys())
def test_whichever_ssh_command_fails_nothing_is_left(
    good_run: GoodRun, tmp_path: Path, error: Callable[[str], BaseException], part: int
) -> None:
    assert len(good_run.commands) > 10
    for number in range(part, len(good_run.commands), PARTS):
        with new_account(tmp_path / str(number)) as harness:
            commands = Commands(number, error)
            harness.script.refuse = commands.count
            with suppress(AmikilnError, Interrupted):
                harness.run()
            assert commands.failed == good_run.commands[number]
            assert left_over(harness) == good_run.nothing, commands.failed
