"""Every single call to AWS and every ssh step fails in turn; each time nothing is left.

Each call fails before it reaches AWS, and after AWS has done it but the answer is lost: by an
error of AWS's, by an exception of ours, and by Ctrl-C.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

from amikiln.errors import AmikilnError, Interrupted
from amikiln.runtime.guest import GuestCommandFailed, GuestUnreachable
from bench import Bench
from fakes import spec

MOST_COMMANDS = 200

Call = tuple[str, int]
"""An operation, and which of its calls in a cycle."""


class OurOwnError(Exception):
    """An exception of ours that no code expects."""


def refused(operation: str) -> Exception:
    answer: Any = {"Error": {"Code": "InternalError", "Message": "try as you like"}}
    return ClientError(answer, operation)


class Calls:
    """Counts the calls of a session by operation, and lets one of them fail."""

    def __init__(self, bench: Bench, when: str) -> None:
        self.counts: Counter[str] = Counter()
        self.failed = False
        self._fail_at: Call | None = None
        self._error: Callable[[str], BaseException] = refused
        for client in bench.clients():
            client.meta.events.register(f"{when}.*.*", self._called)

    def _called(self, model: Any, **other: Any) -> None:
        self.counts[model.name] += 1
        if (model.name, self.counts[model.name]) == self._fail_at:
            self.failed = True
            raise self._error(model.name)

    @contextmanager
    def failing(self, call: Call | None, error: Callable[[str], BaseException]) -> Iterator[None]:
        self.counts.clear()
        self._fail_at, self.failed, self._error = call, False, error
        yield
        self._fail_at = None


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
    with calls.failing(None, error):
        bench.cycle(spec(name="as-it-should-be"))
    in_a_good_run = dict(calls.counts)
    assert in_a_good_run.keys() >= {
        "RunInstances",
        "StopInstances",
        "CreateImage",
        "ImportKeyPair",
        "CreateSecurityGroup",
        "TerminateInstances",
        "PutParameter",
        "CreateTags",
        "EnableImageDeprecation",
    }
    every_call = [(name, n + 1) for name, count in in_a_good_run.items() for n in range(count)]
    for number, call in enumerate(every_call):
        # A name of its own: one whose lease could not be released does not block the next.
        wanted = spec(name=f"image-{number}")
        told = len(bench.report.said)
        with calls.failing(call, error):
            try:
                bench.cycle(wanted)
            except (AmikilnError, OurOwnError, Interrupted, ClientError) as caught:
                said = "\n".join([str(caught), *bench.report.said[told:]])
                assert calls.failed, f"failed without our doing: {said}"
            else:
                said = "\n".join(bench.report.said[told:])
        operation, which = call
        # How often a state is asked for is a matter of time.
        assert calls.failed or (operation.startswith(("Describe", "Get")) and which > 1), call
        assert left_over(bench) == nothing, call
        if error is refused and calls.failed and not taken_back_at_second_try(operation):
            assert operation in said, call


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
    for number in range(MOST_COMMANDS):
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
    assert 10 < number < MOST_COMMANDS - 1
