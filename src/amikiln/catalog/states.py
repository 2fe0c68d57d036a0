"""An image's life: which states it can be in, and what moves it from one to another.

The state is never stored. It is derived from what EC2 says and from the image's tags, by letting
everything that is recorded there happen once, along one table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

from amikiln.catalog.tags import TAG_FORCED, TAG_VERDICT
from amikiln.model.verdict import Outcome


class ImageState(StrEnum):
    """What amikiln may do with an image. EC2's own state of it is one of the inputs."""

    UNPROVEN = "unproven"
    """Nobody has verified it yet; it may still be being written."""
    PROVEN = "proven"
    """Its verdict is a pass."""
    FAILED = "failed"
    """It did not prove itself, or EC2 could not write it."""
    FORCED = "forced"
    """Somebody published it without proof, and nobody has verified it yet."""
    FORCED_PROVEN = "forced-proven"
    """Somebody published it without proof, and its verdict is a pass all the same."""
    FORCED_FAILED = "forced-failed"
    """Somebody published it without proof, and it did not prove itself, or EC2 lost it."""
    UNAVAILABLE = "unavailable"
    """It is proven, and EC2 launches nothing from it now: it is disabled, for instance."""


class Event(StrEnum):
    """What can happen to an image, as far as it leaves a trace."""

    FORCE = "force"
    """Somebody publishes it without proof."""
    PASS = "pass"  # noqa: S105  (not a password)
    """A verdict: every check passed."""
    FAIL = "fail"
    """A verdict: some check failed, or could not tell."""
    WRITE = "write"
    """EC2 is still writing it."""
    LOSE = "lose"
    """EC2 could not write it, or does not offer it any more."""


S, E = ImageState, Event
TRANSITIONS: Mapping[ImageState, Mapping[Event, ImageState]] = {
    S.UNPROVEN: {
        E.FORCE: S.FORCED,
        E.PASS: S.PROVEN,
        E.FAIL: S.FAILED,
        E.WRITE: S.UNPROVEN,
        E.LOSE: S.FAILED,
    },
    S.PROVEN: {
        E.FORCE: S.FORCED_PROVEN,
        E.PASS: S.PROVEN,
        E.FAIL: S.FAILED,
        E.WRITE: S.UNAVAILABLE,
        E.LOSE: S.UNAVAILABLE,
    },
    S.FAILED: {
        E.FORCE: S.FORCED_FAILED,
        E.PASS: S.PROVEN,
        E.FAIL: S.FAILED,
        E.WRITE: S.FAILED,
        E.LOSE: S.FAILED,
    },
    S.FORCED: {
        E.FORCE: S.FORCED,
        E.PASS: S.FORCED_PROVEN,
        E.FAIL: S.FORCED_FAILED,
        E.WRITE: S.FORCED,
        E.LOSE: S.FORCED_FAILED,
    },
    S.FORCED_PROVEN: {
        E.FORCE: S.FORCED_PROVEN,
        E.PASS: S.FORCED_PROVEN,
        E.FAIL: S.FORCED_FAILED,
        E.WRITE: S.UNAVAILABLE,
        E.LOSE: S.UNAVAILABLE,
    },
    S.FORCED_FAILED: {
        E.FORCE: S.FORCED_FAILED,
        E.PASS: S.FORCED_PROVEN,
        E.FAIL: S.FORCED_FAILED,
        E.WRITE: S.FORCED_FAILED,
        E.LOSE: S.FORCED_FAILED,
    },
    # Nobody can launch it to verify it, nor publish it.
    S.UNAVAILABLE: dict.fromkeys(E, S.UNAVAILABLE),
}

REPLACES_A_BAKE = frozenset({S.PROVEN})
"""What makes it needless to bake the same inputs."""
REUSABLE = frozenset({S.UNPROVEN, S.FORCED})
"""What a later run of the same inputs verifies, instead of baking another."""
STAYS = frozenset({S.PROVEN, S.FORCED_PROVEN, S.UNAVAILABLE})
"""What no sweep removes, whether or not anything refers to it."""

UNTIL_THE_NEXT_RUN = (
    "stays for you to look at until the next `amikiln run` or `amikiln bake` of this image removes"
    " it, with its snapshots"
)
UNTIL_SOMEBODY_REMOVES_IT = "stays, and no run removes it"
FATES: Mapping[ImageState, str] = {
    **dict.fromkeys(
        REUSABLE,
        "stays: the next run of the same inputs verifies it instead of baking another, and one of"
        " other inputs removes it a day after it was begun",
    ),
    S.FAILED: UNTIL_THE_NEXT_RUN,
    S.FORCED_FAILED: UNTIL_THE_NEXT_RUN,
    **dict.fromkeys(STAYS, UNTIL_SOMEBODY_REMOVES_IT),
}
"""What becomes of an image that no pointer names, and no machine runs; ``retire`` holds to it."""


def derive_state(ec2_state: str, tags: Mapping[str, str]) -> ImageState:
    """Return the state that an image is in.

    Args:
        ec2_state: What DescribeImages says, as ``available``
            (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Image.html).
        tags: The image's.
    """
    state = ImageState.UNPROVEN
    for event in _recorded_events(ec2_state, tags):
        state = TRANSITIONS[state][event]
    return state


def _recorded_events(ec2_state: str, tags: Mapping[str, str]) -> Iterator[Event]:
    if TAG_FORCED in tags:
        yield Event.FORCE
    if TAG_VERDICT in tags:
        yield Event.PASS if tags[TAG_VERDICT] == Outcome.PASS else Event.FAIL
    if ec2_state == "pending":
        yield Event.WRITE
    elif ec2_state != "available":
        yield Event.LOSE
