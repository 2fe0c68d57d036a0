"""What a plan from a file names has to be there still, and be what it was."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any

import pytest

from amikiln.errors import PreflightError
from amikiln.model.plan import PinnedImage
from harness import Harness
from plan.written import refuse, use, write


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (None, "({name}) is no longer in us-east-1"),
        ({"state": "deregistered"}, "({name}) is deregistered, not available"),
        ({"name": "other"}, "is another now: its name is other, not {name}"),
        ({"root_device": "/dev/xvda"}, "is another now: its root device is /dev/xvda, not {root}"),
        ({"volume_gib": 9}, "is another now: its volume is 9 GiB, not {gib} GiB"),
        ({"architecture": "arm64"}, "is another now: its architecture is arm64, not x86_64"),
    ],
)
def test_a_source_image_that_is_gone_or_another_is_refused(
    harness: Harness,
    monkeypatch: pytest.MonkeyPatch,
    found: dict[str, Any] | None,
    fault: str,
) -> None:
    file, images = write(harness), harness.session.cloud.images
    source = use(harness, file).source
    record = images.get(source.id)
    assert record is not None
    now = dataclasses.replace(record, **found) if found is not None else None
    monkeypatch.setattr(images, "get", lambda image_id: now)
    expected = fault.format(name=source.name, root=source.root_device, gib=source.volume_gib)
    assert refuse(harness, file) == f"the source image {source.id} {expected}"


def test_what_a_registry_lost_is_refused(harness: Harness) -> None:
    file = write(harness)

    def lost(references: Iterable[str], architecture: str) -> tuple[PinnedImage, ...]:
        (*_, last) = references
        raise PreflightError(f"no digest for {last}: manifest unknown")

    why = refuse(harness, file, ask=lost)
    assert "what was planned is not to be had any more: no digest for registry.example/team/" in why

    def other(references: Iterable[str], architecture: str) -> tuple[PinnedImage, ...]:
        return tuple(PinnedImage(reference, "sha256:00") for reference in references)

    assert "the registry gives sha256:00 for moby/buildkit@sha256:" in refuse(
        harness, file, ask=other
    )


def test_machines_and_networks_that_are_gone_are_named(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(harness)
    subnet = json.loads(file.read_text())["network"]["subnet_ids"][0]
    harness.ec2.delete_subnet(SubnetId=subnet)
    instances = harness.session.cloud.instances
    monkeypatch.setattr(instances, "list_offered_types", lambda types: {"m7i.large"})
    assert refuse(harness, file).splitlines() == [
        "us-east-1 no longer offers the instance type t3.micro",
        f"the subnet {subnet} is no longer there",
    ]
