"""A plan from a file is used as long as it holds, and refused by name when it does not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from amikiln.errors import PreflightError
from amikiln.model.plan import PinnedImage, Plan
from amikiln.model.plan_file import hash_plan, seal, serialize
from amikiln.plan import network, registries, resolve, reuse
from amikiln.plan.file import read_plan
from amikiln.spec.spec import Spec
from fakes import pin, spec
from harness import NOTHING, Harness

Change = Callable[[Any], object]


def write(harness: Harness, wanted: Spec | None = None, change: Change = lambda p: None) -> Path:
    """Plan now, and write the plan; ``change`` makes another one of it."""
    file = harness.folder / "plan.json"
    fields = json.loads(serialize(resolve.plan(harness.image(wanted), harness.session, pin)))
    del fields["contents_sha256"]
    change(fields)
    file.write_bytes(seal(fields))
    return file


def use(harness: Harness, file: Path, wanted: Spec | None = None, ask: Any = pin) -> Plan:
    return reuse.use_plan(read_plan(file), harness.image(wanted), harness.session, ask)


def refuse(harness: Harness, file: Path, wanted: Spec | None = None, ask: Any = pin) -> str:
    """Return why a plan is not used."""
    with pytest.raises(PreflightError) as caught:
        use(harness, file, wanted, ask)
    assert caught.value.hint
    assert harness.holdings() == NOTHING
    return caught.value.what


def put(folder: Path, name: str, text: str = "true\n") -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)


def test_a_plan_is_used_as_it_was_made(harness: Harness) -> None:
    put(harness.folder, "steps/after-docker-x.sh")
    put(harness.folder, "checks/mine.sh")
    planned = resolve.plan(harness.image(), harness.session, pin)
    file = write(harness)
    used = use(harness, file)
    assert dataclasses.replace(used, origin=planned.origin) == planned
    assert hash_plan(used) == read_plan(file).sha256


def test_what_moves_by_itself_is_not_looked_up_again(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(harness)
    before = use(harness, file)
    asked: list[str] = []

    def ask(references: Iterable[str], architecture: str) -> tuple[PinnedImage, ...]:
        asked.extend(references)
        return pin(asked)

    def refuse_to_search(**what: object) -> None:
        raise AssertionError(f"the newest image of {what} is asked for")

    monkeypatch.setattr(harness.session.cloud.images, "find_newest", refuse_to_search)
    assert use(harness, file, ask=ask) == before
    assert asked
    assert all("@sha256:" in reference for reference in asked), "tags may have moved"


def test_it_says_nothing_of_the_machine_that_planned(harness: Harness, tmp_path: Path) -> None:
    text = write(harness).read_text()
    fields = json.loads(text)
    assert fields["context"]["folder"] == "warm"
    assert fields["network"]["ssh_from"] == "127.0.0.1/32", "the spec's own"
    assert text.count(str(tmp_path)) == 1, "the image's own folder, as it was given"


def test_each_machine_lets_itself_in(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = spec(instance={"types": ["t3.micro"]})
    monkeypatch.setattr(network, "_find_own_address", lambda *how: "198.51.100.1/32")
    file = write(harness, wanted)
    assert json.loads(file.read_text())["network"]["ssh_from"] is None
    monkeypatch.setattr(network, "_find_own_address", lambda *how: "203.0.113.9/32")
    assert use(harness, file, wanted).network.ssh_from == "203.0.113.9/32"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda p: p["spec"].update(name="gpu"), "is for another image: gpu, not cpu-build"),
        (lambda p: p["origin"].update(cloud="aws"), "is for another cloud: AWS, not the local c"),
        (
            lambda p: p["origin"].update(cloud="local-0"),
            "is for another cloud: the local cloud local-0, not the local cloud local-",
        ),
        (
            lambda p: p["origin"].update(account="210987654321"),
            "is for another account: 210987654321, not 123456789012",
        ),
        (
            lambda p: p["spec"].update(region="eu-west-1"),
            "is for another region: eu-west-1, not us-east-1",
        ),
        (
            lambda p: p["origin"].update(amikiln_version="9.9.9"),
            "was made by amikiln 9.9.9 with the recipe",
        ),
        (lambda p: p["origin"].update(recipe="0" * 64), "with the recipe 000000000000, and this"),
        (lambda p: p["origin"].update(planned_at="yesterday"), "is not a plan: origin.planned_at"),
        (
            lambda p: p["origin"].update(planned_at="2026-01-01T00:00:00"),
            "is not a plan: origin.planned_at",
        ),
        (lambda p: p.update(more=1), "is not a plan: more: unexpected"),
        (lambda p: p.pop("network"), "is not a plan: network: field required"),
        (lambda p: p["source"].update(size=1), "is not a plan: source.size: unexpected"),
        (lambda p: p.update(digest="0" * 64), "is not a plan: its digests are not those"),
        (lambda p: p.update(proof_digest="0" * 64), "is not a plan: its digests are not those"),
        (
            lambda p: p["images"][0].update(digest="sha256:" + "0" * 64),
            "is not a plan: its digests are not those",
        ),
    ],
)
def test_a_plan_of_something_else_is_refused(harness: Harness, change: Change, fault: str) -> None:
    assert fault in refuse(harness, write(harness, change=change))


@pytest.mark.parametrize(
    ("hours", "fault"),
    [(25, "is 25.0 h old, and plan.max_age_hours is 24"), (-1, "was made in the future")],
)
def test_a_plan_that_is_too_old_or_of_tomorrow_is_refused(
    harness: Harness, hours: int, fault: str
) -> None:
    moment = (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="seconds")
    file = write(harness, change=lambda p: p["origin"].update(planned_at=moment))
    assert fault in refuse(harness, file)


def test_the_spec_says_how_old_a_plan_may_be(harness: Harness) -> None:
    moment = (datetime.now(UTC) - timedelta(hours=30)).isoformat(timespec="seconds")
    wanted = spec(plan={"max_age_hours": 36})
    file = write(harness, wanted, lambda p: p["origin"].update(planned_at=moment))
    assert use(harness, file, wanted).origin.planned_at == moment


def test_a_spec_that_changed_is_named_by_its_keys(harness: Harness) -> None:
    file = write(harness)
    changed = spec(
        volume={"size_gib": 99},
        buildkit={"builder": "baked-vllm-builder", "gc": True},
        fleet={"auto_scaling_groups": ["another"]},
        warm=None,
    )
    lines = refuse(harness, file, changed).splitlines()
    toml = harness.folder / "image.toml"
    assert lines == [
        f"{toml}: volume.size_gib is 99, and was 12 when planned",
        f"{toml}: buildkit.gc is true, and was false when planned",
        lines[2],
        f'{toml}: fleet.auto_scaling_groups is ["another"], and was [] when planned',
    ]
    assert lines[2].startswith(f"{toml}: warm is null, and was {{")


def test_files_that_changed_are_named(harness: Harness) -> None:
    for name in ("steps/after-docker-a.sh", "steps/before-seal.sh", "checks/mine.sh"):
        put(harness.folder, name)
    file = write(harness)
    put(harness.folder, "steps/after-docker-a.sh", "false\n")
    (harness.folder / "steps/before-seal.sh").unlink()
    put(harness.folder, "checks/more.sh")
    put(harness.folder, "checks/mine.sh", "true \n")
    put(harness.folder, "warm/Dockerfile", "FROM other\n")
    at = harness.folder
    *lines, context = refuse(harness, file).splitlines()
    assert lines == [
        f"{at}/steps/after-docker-a.sh differs from the plan's",
        f"{at}/steps/before-seal.sh is missing: the plan has it",
        f"{at}/checks/mine.sh differs from the plan's",
        f"{at}/checks/more.sh was added: the plan does not have it",
    ]
    assert context.startswith(f"{at}/warm differs from the plan's: it was sha256:")


def test_contents_of_one_file_are_not_anothers(harness: Harness) -> None:
    for name, text in (("after-docker-a", "a"), ("after-docker-b", "b")):
        put(harness.folder, f"steps/{name}.sh", text)
    file = write(harness)
    for name, text in (("after-docker-a", "b"), ("after-docker-b", "a")):
        put(harness.folder, f"steps/{name}.sh", text)
    assert len(refuse(harness, file).splitlines()) == 2


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
    assert registries.pin is reuse.registries.pin


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
