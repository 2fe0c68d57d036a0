"""Where there is no room: another zone, another type, or a reason, for every code that EC2 has."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from amikiln.aws.capacity import CAPACITY, ENDED_EARLY, Elsewhere
from amikiln.errors import BakeError
from fakes import spec
from harness import NOTHING, Harness

TYPES = ("t3.micro", "t3.small")
Asked = list[tuple[str, str]]


def run_with(harness: Harness, refuse: Callable[[str, str], str | None]) -> tuple[Asked, str]:
    """Run a cycle where some launches are refused; return what was asked for, and the error."""
    asked: Asked = []

    def watch(params: dict[str, Any], **other: Any) -> None:
        asked.append((params["InstanceType"], params["SubnetId"]))
        if code := refuse(*asked[-1]):
            answer: Any = {"Error": {"Code": code, "Message": "none"}}
            raise ClientError(answer, "RunInstances")

    events = harness.clients()[0].meta.events
    events.register("provide-client-params.ec2.RunInstances", watch)
    wanted = spec(instance={"types": list(TYPES), "ssh_from": "127.0.0.1/32"})
    try:
        harness.run(wanted)
    except BakeError as error:
        return asked, error.what
    finally:
        events.unregister("provide-client-params.ec2.RunInstances", watch)
    return asked, ""


def codes(*elsewhere: Elsewhere) -> list[str]:
    return [code for code, (where, _) in CAPACITY.items() if where in elsewhere]


@pytest.mark.parametrize("code", codes(Elsewhere.ANYWHERE, Elsewhere.ZONE))
def test_the_next_zone_is_tried(harness: Harness, code: str) -> None:
    subnets = harness.ec2.describe_subnets()["Subnets"]
    full, following = [
        subnet["SubnetId"] for subnet in sorted(subnets, key=lambda one: one["AvailabilityZone"])
    ][:2]
    asked, error = run_with(harness, lambda type_, subnet: code if subnet == full else None)
    assert error == ""
    assert asked[:2] == [(TYPES[0], full), (TYPES[0], following)]


@pytest.mark.parametrize("code", codes(Elsewhere.TYPE))
def test_what_is_about_the_type_leads_to_the_next_type_in_no_other_zone(
    harness: Harness, code: str
) -> None:
    asked, error = run_with(harness, lambda type_, subnet: code if type_ == TYPES[0] else None)
    assert error == ""
    assert [type_ for type_, _ in asked[:2]] == list(TYPES)
    assert CAPACITY[code][1] in harness.report.read()


@pytest.mark.parametrize("code", codes(Elsewhere.NOWHERE))
def test_what_is_the_same_everywhere_is_said_at_once(harness: Harness, code: str) -> None:
    asked, error = run_with(harness, lambda type_, subnet: code)
    assert len(asked) == 1
    assert CAPACITY[code][1] in error
    assert harness.holdings() == NOTHING


def test_a_full_subnet_is_asked_for_no_other_type(harness: Harness) -> None:
    asked, error = run_with(harness, lambda type_, subnet: "InsufficientFreeAddressesInSubnet")
    assert len(asked) == len(set(asked)) == len(harness.ec2.describe_subnets()["Subnets"])
    assert "no capacity for any" in error
    assert "the subnet has no free addresses" in error


@pytest.mark.parametrize(
    "code", [code for code, (where, _) in ENDED_EARLY.items() if where is not Elsewhere.NOWHERE]
)
def test_an_instance_that_ends_before_it_runs_is_launched_elsewhere(
    harness: Harness, code: str
) -> None:
    end_next(harness, code)
    done = harness.run()
    assert harness.pointer() == done.image.id
    assert f"{code}: {ENDED_EARLY[code][1]}" in harness.report.read()
    assert harness.holdings() | {"images": [], "snapshots": []} == NOTHING


@pytest.mark.parametrize(
    "code", [code for code, (where, _) in ENDED_EARLY.items() if where is Elsewhere.NOWHERE]
)
def test_or_it_is_said_why_not(harness: Harness, code: str) -> None:
    end_next(harness, code)
    with pytest.raises(BakeError, match=code) as caught:
        harness.run()
    assert ENDED_EARLY[code][1] in caught.value.what
    assert harness.holdings() == NOTHING


def end_next(harness: Harness, code: str) -> None:
    """Let the next instance end before it runs, for a reason."""
    instances = harness.session.cloud.instances
    describe = type(instances)._describe
    state = {"left": 1}

    def describe_ended(self: Any, **which: Any) -> Any:
        found = describe(self, **which)
        if not state["left"] or "InstanceIds" not in which or not found:
            return found
        state["left"] = 0
        ended = {"state": "terminated", "reason_code": code, "reason": f"{code}: none"}
        return [dataclasses.replace(one, **ended) for one in found]

    instances._describe = describe_ended.__get__(instances)  # type: ignore[method-assign]


def test_a_lost_answer_is_asked_for_again_with_its_token(harness: Harness) -> None:
    tokens: list[str] = []

    def lose(params: dict[str, Any], **other: Any) -> None:
        tokens.append(params["ClientToken"])

    def fail(**other: Any) -> None:
        if len(tokens) == 1:
            raise ReadTimeoutError(endpoint_url="https://ec2.us-east-1.amazonaws.com/")

    events = harness.clients()[0].meta.events
    events.register("provide-client-params.ec2.RunInstances", lose)
    events.register("after-call.ec2.RunInstances", fail)
    done = harness.run()
    assert tokens[0] == tokens[1] != tokens[2]
    assert len(harness.hypervisor.machines) == 2, "bake's and verify's, and no third one"
    assert harness.pointer() == done.image.id
