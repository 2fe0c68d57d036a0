"""What a plan from a file names has to be there still, and be what it was."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from amikiln.errors import PreflightError
from amikiln.model.plan import PinnedImage
from fakes import spec
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


def test_a_commit_is_kept_when_its_branch_moves_and_missed_when_it_is_gone(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AMIKILN_CACHE", str(tmp_path / "cache"))
    origin = tmp_path / "origin"
    (origin / "x").mkdir(parents=True)

    def git(*words: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@localhost")
        done = subprocess.run(
            ["git", "-C", origin, *who, *words], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(text: str) -> str:
        (origin / "Dockerfile").write_text(text)
        git("add", "--all")
        git("commit", "--quiet", "--message", text)
        return git("rev-parse", "HEAD")

    git("init", "--quiet", "--initial-branch=main")
    first = commit("FROM scratch\n")
    wanted = spec(warm={"context": f"file://{origin}#main", "dockerfile": "Dockerfile"})
    file = write(harness, wanted)
    commit("FROM scratch\n# more\n")
    # Another machine, which has not fetched it yet.
    monkeypatch.setenv("AMIKILN_CACHE", str(tmp_path / "other-cache"))
    context = use(harness, file, wanted).context
    assert context is not None
    assert context.identity == f"commit:{first}"
    monkeypatch.setenv("AMIKILN_CACHE", str(tmp_path / "third-cache"))
    shutil.rmtree(origin)
    why = refuse(harness, file, wanted)
    assert why.startswith("what was planned to be built is not to be had any more: ")
