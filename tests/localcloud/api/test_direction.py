"""The parts of the API import each other in one direction."""

from __future__ import annotations

import pytest

from test_layout import KNOWN, imported

API = "amikiln_localcloud.api."
FLOORS = (
    ("errors", "records", "served", "snapshots", "authorization", "late"),
    ("refusals", "state_file"),
    ("cloud",),
    ("ssm",),
    ("ec2",),
    ("autoscaling",),
    ("cloudformation",),
    ("base_image", "install", "persistence"),
    ("server",),
)
"""From the ground up: a part imports from those below, and from itself."""


@pytest.mark.parametrize("module", [name for name in KNOWN if name.startswith(API)])
def test_parts_import_downwards(module: str) -> None:
    floors = {part: floor for floor, parts in enumerate(FLOORS) for part in parts}
    part = module.removeprefix(API).split(".")[0]
    others = {
        other.removeprefix(API).split(".")[0]
        for other in imported(KNOWN[module])
        if other.startswith(API)
    }
    for other in others - {part}:
        assert floors[other] < floors[part], f"{module} imports {other}"
