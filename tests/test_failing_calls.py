"""Every single call to AWS and every ssh step fails in turn; each time nothing is left.

Each call fails before it reaches AWS, and after AWS has done it but the answer is lost: by an
error of AWS's, by an exception of ours, and by Ctrl-C.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

from amikiln.errors import AmikilnError, Interrupted
from amikiln.guest import GuestCommandFailed, GuestUnreachable
from bench import Bench
from pretend_tools import spec

MOST_CALLS = 200


class OurOwnError(Exception):
    """An exception of ours that no code expects."""


def refused(operation: str) -> Exception:
    answer: Any = {"Error": {"Code": "InternalError", "Message": "try as you like"}}
    return ClientError(answer, operation)


class Calls:
    """Counts the calls of a session, and lets one of them fail."""

    def __init__(self, bench: Bench, when: str) -> None:
        self.operation: str | None = None
        self.count = 0
        self.fail_at = 0
        self.error: Callable[[str], BaseException] = refused
        for client in bench.clients():
            client.meta.events.register(f"{when}.*.*", self._called)

    def _called(self, model: Any, **other: Any) -> None:
        self.count += 1
        if self.count == self.fail_at:
            self.operation = model.name
            raise self.error(model.name)

    @contextmanager
    def failing(self, number: int, error: Callable[[str], BaseException]) -> Iterator[None]:
        self.count, self.fail_at, self.operation, self.error = 0, number, None, error
        yield
        self.fail_at = 0


def left_over(bench: Bench) -> dict[str, list[str]]:
    """Return what the account holds, less images that are finished: the next run takes those up."""
    images = bench.ec2.describe_images(Owners=["self"])["Images"]
    finished = [image for image in images if image["State"] == "available"]
    snapshots = {m["Ebs"]["SnapshotId"] for i in finished for m in i["BlockDeviceMappings"]}
    holds = bench.holdings()
    holds["images"] = sorted(set(holds["images"]) - {image["ImageId"] for image in finished})
    holds["snapshots"] = sorted(set(holds["snapshots"]) - snapshots)
    return holds


@pytest.mark.parametrize("when", ["before-call", "after-call"])
@pytest.mark.parametrize(
    "error",
    [refused, lambda operation: OurOwnError(operation), lambda operation: Interrupted()],
    ids=["an-error-of-aws", "an-exception-of-ours", "ctrl-c"],
)
def test_whichever_call_fails_nothing_is_left(
    bench: Bench, when: str, error: Callable[[str], BaseException]
) -> None:
    calls = Calls(bench, when)
    nothing = left_over(bench)
    seen: list[str] = []
    for number in range(1, MOST_CALLS):
        # A name of its own: one whose lease could not be released does not block the next.
        wanted = spec(name=f"image-{number}")
        told = len(bench.report.said)
        with calls.failing(number, error):
            try:
                bench.cycle(wanted)
            except (AmikilnError, OurOwnError, Interrupted, ClientError) as caught:
                said = "\n".join([str(caught), *bench.report.said[told:]])
                assert calls.operation is not None, f"failed without our doing: {said}"
            else:
                said = "\n".join(bench.report.said[told:])
        if calls.operation is None:
            break
        seen.append(calls.operation)
        assert left_over(bench) == nothing, f"call {number}, {calls.operation}"
        if error is refused and not taken_back_at_second_try(calls.operation):
            assert calls.operation in said, f"call {number}"
    assert number < MOST_CALLS - 1
    assert {
        "RunInstances",
        "StopInstances",
        "CreateImage",
        "ImportKeyPair",
        "CreateSecurityGroup",
        "TerminateInstances",
        "PutParameter",
        "CreateTags",
        "EnableImageDeprecation",
    } <= set(seen)


def taken_back_at_second_try(operation: str) -> bool:
    """Tell whether a call is part of taking back, which is tried again without a word."""
    return operation.startswith(("Delete", "Terminate", "Deregister", "Describe"))


@pytest.mark.parametrize(
    "error",
    [
        lambda command: GuestCommandFailed(command, 1, "it broke"),
        lambda command: GuestUnreachable(f"lost the machine in {command}"),
        lambda command: OurOwnError(command),
        lambda command: Interrupted(),
    ],
    ids=["a-failing-command", "a-lost-machine", "an-exception-of-ours", "ctrl-c"],
)
def test_whichever_ssh_step_fails_nothing_is_left(
    bench: Bench, error: Callable[[str], BaseException]
) -> None:
    nothing = left_over(bench)
    for number in range(MOST_CALLS):
        count = 0
        failed: list[str] = []

        def refuse(command: str, number: int = number, failed: list[str] = failed) -> None:
            nonlocal count
            count += 1
            if count == number + 1:
                failed.append(command)
                raise error(command)

        bench.script.refuse = refuse
        with suppress(AmikilnError, OurOwnError, Interrupted):
            bench.cycle(spec(name=f"image-{number}"))
        if not failed:
            break
        assert left_over(bench) == nothing, failed[0]
    assert 10 < number < MOST_CALLS - 1
