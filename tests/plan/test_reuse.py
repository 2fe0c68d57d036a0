"""A plan from a file is used as long as it holds, and refused by name when it does not."""

from __future__ import annotations

import dataclasses
import json
import os
import tomllib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from amikiln.model.plan import PinnedImage, Plan
from amikiln.model.plan_file import hash_plan, serialize
from amikiln.plan import network, resolve
from amikiln.plan.file import read_plan
from amikiln.recipe import build_context
from fakes import pin, spec
from harness import Harness
from plan.written import Change, put, refuse, use, write

FIELDS = tomllib.loads((Path(__file__).parents[1] / "cases" / "plan_fields.toml").read_text())


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
    [(49, "is 49.0 h old, and plan.max_age_hours is 48"), (-1, "was made in the future")],
)
def test_a_plan_that_is_too_old_or_of_tomorrow_is_refused(
    harness: Harness, hours: int, fault: str
) -> None:
    moment = (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="seconds")
    file = write(harness, change=lambda p: p["origin"].update(planned_at=moment))
    assert fault in refuse(harness, file)


def test_the_spec_says_how_old_a_plan_may_be(harness: Harness) -> None:
    moment = (datetime.now(UTC) - timedelta(hours=60)).isoformat(timespec="seconds")
    wanted = spec(plan={"max_age_hours": 72})
    file = write(harness, wanted, lambda p: p["origin"].update(planned_at=moment))
    assert use(harness, file, wanted).origin.planned_at == moment


def test_a_spec_that_changed_is_named_by_its_keys(harness: Harness) -> None:
    file = write(harness)
    changed = spec(
        volume={"size_gib": 99},
        buildkit={"builder": "baked-vllm-builder", "gc": True},
        fleet={"auto_scaling_groups": ["another"]},
        warm=False,
    )
    lines = refuse(harness, file, changed).splitlines()
    toml = harness.folder / "image.toml"
    assert lines == [
        f"{toml}: volume.size_gib is 99, and was 12 when planned",
        f"{toml}: buildkit.gc is true, and was false when planned",
        lines[2],
        f'{toml}: fleet.auto_scaling_groups is ["another"], and was [] when planned',
    ]
    assert lines[2].startswith(f"{toml}: warm is false, and was {{")


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
    assert refuse(harness, file).splitlines() == [
        f"{at}/steps/after-docker-a.sh differs from the plan's",
        f"{at}/steps/before-seal.sh is missing: the plan has it",
        f"{at}/checks/mine.sh differs from the plan's",
        f"{at}/checks/more.sh was added: the plan does not have it",
        f"{at}/warm/Dockerfile differs from the plan's",
    ]


def test_what_changed_in_the_build_s_folder_is_named(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm = harness.folder / "warm"
    for name in ("same", "more", "mode", "becomes-a-folder"):
        put(warm, f"src/{name}", name)
    (warm / "src/link").symlink_to("same")
    file = write(harness)
    (warm / "src/more").unlink()
    (warm / "src/mode").chmod(0o755)
    (warm / "src/link").unlink()
    (warm / "src/link").symlink_to("mode")
    (warm / "src/becomes-a-folder").unlink()
    (warm / "src/becomes-a-folder").mkdir()
    put(warm, os.fsdecode(b"src/n\xffw"))
    assert refuse(harness, file).splitlines() == [
        f"{warm}/src/becomes-a-folder differs from the plan's",
        f"{warm}/src/link differs from the plan's",
        f"{warm}/src/mode differs from the plan's",
        f"{warm}/src/more is missing: the plan has it",
        f"{warm}/src/n\\xffw was added: the plan does not have it",
    ]
    for number in range(30):
        put(warm, f"src/{number}")
    assert refuse(harness, file).splitlines()[-1] == f"{warm}: 15 more differ from the plan's"
    # A folder with very many files is named alone.
    monkeypatch.setattr(build_context, "MOST_FILES", 3)
    file = write(harness, change=lambda p: p["context"].update(identity="0"))
    line = refuse(harness, file)
    assert line.startswith(f"{warm} differs from the plan's: it was 0, and is sha256:")


def test_contents_of_one_file_are_not_anothers(harness: Harness) -> None:
    for name, text in (("after-docker-a", "a"), ("after-docker-b", "b")):
        put(harness.folder, f"steps/{name}.sh", text)
    file = write(harness)
    for name, text in (("after-docker-a", "b"), ("after-docker-b", "a")):
        put(harness.folder, f"steps/{name}.sh", text)
    assert len(refuse(harness, file).splitlines()) == 2


def test_every_field_of_a_plan_says_what_becomes_of_it() -> None:
    assert FIELDS.keys() == {field.name for field in dataclasses.fields(Plan)}
    assert set(FIELDS.values()) == {"anew", "kept", "origin"}


@pytest.mark.parametrize("field", [name for name, how in FIELDS.items() if how == "anew"])
def test_what_is_read_anew_is_not_believed(harness: Harness, field: str) -> None:
    for name in ("steps/after-docker-x.sh", "checks/mine.sh"):
        put(harness.folder, name)
    put(harness.folder, "ci.hcl", 'target "default" {}\n')
    wanted = spec(warm={"context": "warm", "bake_files": [{"beside": "ci.hcl"}]})

    def change(value: Any) -> Any:
        """Return a value with its first text changed."""
        if isinstance(value, dict):
            first = next(key for key, inner in value.items() if inner)
            return {**value, first: change(value[first])}
        return f"{value[:-1]}{'0' if value[-1] != '0' else '1'}"

    file = write(harness, wanted, lambda p: p.update({field: change(p[field])}))
    refuse(harness, file, wanted)


def test_a_bake_file_from_elsewhere_that_changed_is_named(harness: Harness) -> None:
    put(harness.folder, "ci.hcl", 'target "default" {}\n')
    wanted = spec(warm={"context": "warm", "bake_files": [{"beside": "ci.hcl"}]})
    file = write(harness, wanted)
    assert use(harness, file, wanted).bake_files == {
        "bake-files/1-ci.hcl": b'target "default" {}\n'
    }
    put(harness.folder, "ci.hcl", 'target "default" { args = {} }\n')
    assert refuse(harness, file, wanted) == "the bake file ci.hcl differs from the plan's"


@pytest.mark.parametrize("field", [name for name, how in FIELDS.items() if how == "kept"])
def test_what_is_kept_is_as_it_was_planned(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    planned = resolve.plan(harness.image(), harness.session, pin)
    file = write(harness)
    for name in ("plan", "_find_source", "resolve_network"):
        monkeypatch.delattr(resolve, name)
    assert getattr(use(harness, file), field) == getattr(planned, field)


def test_secrets_are_in_a_plan_s_file_by_name_alone(harness: Harness) -> None:
    values = {"hf_token": "value-of-a-build's-token", "pull": "value-of-a-login"}
    session = dataclasses.replace(harness.session, secrets=values)
    login = {"registry.example": {"username": "puller", "secret": "pull"}}
    wanted = spec(
        docker={"images": ["registry.example/team/app:latest"], "logins": login},
        warm={"context": "warm", "dockerfile": "Dockerfile", "secrets": ["hf_token"]},
    )
    text = serialize(resolve.plan(harness.image(wanted), session, pin)).decode()
    assert [name in text for name in values] == [True, True]
    assert [value for value in values.values() if value in text] == []
    assert use(harness, write(harness, wanted), wanted).spec == wanted
