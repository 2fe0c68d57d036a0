"""The whole cycle, undo and sweep, where the cloud shows new things late, as AWS does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amikiln.errors import BakeError, Interrupted
from amikiln_localcloud.api.late import Lateness
from fakes import fail_on
from harness import NOTHING, Harness, use_fakes
from localcloud.fixture import CloudFixture

LATE_SECONDS = 0.15
"""Much longer than a call takes, much shorter than what is new is waited for."""


@pytest.fixture
def late(tmp_path: Path) -> Iterator[Harness]:
    cloud = CloudFixture(tmp_path, Lateness(LATE_SECONDS))
    with use_fakes(Harness(cloud, tmp_path)) as harness:
        yield harness
    cloud.stop()


def until_shown(harness: Harness) -> None:
    """Let everything that was made be shown."""
    harness.cloud.until_at_rest()
    harness.cloud.late.seconds = 0


def test_the_whole_cycle_runs_and_leaves_its_image_alone(late: Harness) -> None:
    done = late.run()
    until_shown(late)
    assert late.pointer() == done.image.id
    holds = late.holdings()
    assert (holds.pop("images"), len(holds.pop("snapshots"))) == ([done.image.id], 1)
    assert holds == {kind: [] for kind in holds}
    assert not [line for line in late.report.said if "left behind" in line]


def test_the_next_run_takes_the_lease_at_once_and_sees_what_was_published(late: Harness) -> None:
    first = late.run()
    second = late.run()
    assert second.skipped == ("bake", "verify", "publish")
    assert second.image.id == first.image.id


def test_what_a_failed_run_made_is_gone(late: Harness) -> None:
    late.script.refuse = fail_on("30-builder")
    with pytest.raises(BakeError):
        late.run()
    until_shown(late)
    assert late.holdings() == NOTHING
    assert not [line for line in late.report.said if "left behind" in line]


@pytest.mark.parametrize(
    "operation", ["ImportKeyPair", "CreateSecurityGroup", "RunInstances", "CreateImage"]
)
def test_ctrl_c_right_after_something_was_made_leaves_nothing(
    late: Harness, operation: str
) -> None:
    """The answer is lost, nobody knows the id, and no list has it yet."""

    def interrupt(model: Any, **other: Any) -> None:
        if model.name == operation:
            raise Interrupted

    events = late.clients()[0].meta.events
    events.register("after-call.ec2.*", interrupt)
    with pytest.raises(Interrupted):
        late.run()
    events.unregister("after-call.ec2.*", interrupt)
    until_shown(late)
    made = late.holdings()["images"]
    assert len(made) == (operation == "CreateImage"), "an image that EC2 began is kept"
    late.run()
    held = late.holdings()
    assert not made or held["images"] == made
    assert held | {"images": [], "snapshots": []} == NOTHING


def test_what_a_dead_run_left_is_swept(late: Harness) -> None:
    late.script.refuse = fail_on("30-builder")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("amikiln.runtime.cleanup.Undo.__exit__", lambda *args: None)
        with pytest.raises(BakeError):
            late.run()
    assert len(late.holdings()["groups"]) <= 1
    until_shown(late)
    late.cloud.late.seconds = LATE_SECONDS
    late.script.refuse = lambda command: None
    done = late.run()
    until_shown(late)
    assert late.holdings()["images"] == [done.image.id]
    assert late.holdings() | {"images": [], "snapshots": []} == NOTHING
