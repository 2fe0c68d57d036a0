"""An image's state: every combination of what EC2 says and what the tags say."""

from __future__ import annotations

from itertools import product

import pytest

from amikiln.catalog.states import (
    REPLACES_A_BAKE,
    REUSABLE,
    STAYS,
    TRANSITIONS,
    Event,
    ImageState,
    derive_state,
)
from amikiln.catalog.tags import TAG_FORCED, TAG_RUN, TAG_VERDICT

EC2_STATES = (
    "available",
    "pending",
    "failed",
    "error",
    "invalid",
    "disabled",
    "deregistered",
    "transient",
)
VERDICTS = (None, "pass", "fail", "unknown", "PASS", "")

EVERYTHING = list(product(EC2_STATES, VERDICTS, (False, True)))


def derive(ec2_state: str, verdict: str | None, forced: bool) -> ImageState:
    tags = {TAG_RUN: "run-1"}
    if verdict is not None:
        tags[TAG_VERDICT] = verdict
    if forced:
        tags[TAG_FORCED] = "urgent"
    return derive_state(ec2_state, tags)


@pytest.mark.parametrize(
    ("ec2_state", "verdict", "forced", "state"),
    [
        ("available", None, False, "unproven"),
        ("pending", None, False, "unproven"),
        ("failed", None, False, "failed"),
        ("available", "pass", False, "proven"),
        ("disabled", "pass", False, "unavailable"),
        ("available", "fail", False, "failed"),
        ("available", "unknown", False, "failed"),
        ("available", None, True, "forced"),
        ("available", "fail", True, "forced-failed"),
        ("available", "pass", True, "forced-proven"),
        ("disabled", "pass", True, "unavailable"),
    ],
)
def test_the_state_follows_from_ec2_and_the_tags(
    ec2_state: str, verdict: str | None, forced: bool, state: str
) -> None:
    assert derive(ec2_state, verdict, forced) == state


@pytest.mark.parametrize(("ec2_state", "verdict", "forced"), EVERYTHING)
def test_a_bake_is_needless_only_with_an_available_image_that_passed_and_was_not_forced(
    ec2_state: str, verdict: str | None, forced: bool
) -> None:
    needless = ec2_state == "available" and verdict == "pass" and not forced
    assert (derive(ec2_state, verdict, forced) in REPLACES_A_BAKE) == needless


@pytest.mark.parametrize(("ec2_state", "verdict", "forced"), EVERYTHING)
def test_only_an_image_without_a_verdict_is_verified_instead_of_baking_another(
    ec2_state: str, verdict: str | None, forced: bool
) -> None:
    reusable = ec2_state in {"available", "pending"} and verdict is None
    assert (derive(ec2_state, verdict, forced) in REUSABLE) == reusable


@pytest.mark.parametrize(("ec2_state", "verdict", "forced"), EVERYTHING)
def test_whatever_passed_stays_and_nothing_else(
    ec2_state: str, verdict: str | None, forced: bool
) -> None:
    assert (derive(ec2_state, verdict, forced) in STAYS) == (verdict == "pass")


def test_every_event_leads_somewhere_from_every_state() -> None:
    assert set(TRANSITIONS) == set(ImageState)
    for state, by_event in TRANSITIONS.items():
        assert set(by_event) == set(Event), state


def test_every_state_can_be_derived() -> None:
    assert {derive(*each) for each in EVERYTHING} == set(ImageState)


def test_a_new_verdict_replaces_the_former_one() -> None:
    """Only the last verdict is tagged, so an earlier one must not matter."""
    for before, by_event in TRANSITIONS.items():
        for verdict in (Event.PASS, Event.FAIL):
            for former in (Event.PASS, Event.FAIL):
                assert TRANSITIONS[TRANSITIONS[before][former]][verdict] == by_event[verdict]
