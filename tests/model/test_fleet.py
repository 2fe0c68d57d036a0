"""A group of the fleet: when all its machines run the published image."""

from __future__ import annotations

import pytest

from amikiln.model.fleet import FleetGroup, FleetMachine


@pytest.mark.parametrize(
    ("machines", "done"),
    [
        ([("ami-new", "running")], True),
        ([("ami-new", "pending")], False),
        ([("ami-old", "running")], False),
        ([("ami-new", "running"), ("ami-old", "running")], False),
        ([], False),
    ],
)
def test_a_group_is_done_when_all_wanted_machines_run_the_image(
    machines: list[tuple[str, str]], done: bool
) -> None:
    listed = tuple(FleetMachine(f"i-{n}", i, s, None) for n, (i, s) in enumerate(machines))
    group = FleetGroup("g", "ami-new", "resolve:ssm:/p", True, 1, listed)
    assert group.done is done
