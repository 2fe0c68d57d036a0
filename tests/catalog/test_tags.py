"""Tags: what a run's things carry, and that no other room names a tag or reads one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from amikiln.catalog import tags
from amikiln.model.run import Run
from fakes import plan

SOURCE = Path(__file__).parents[2] / "src"
CATALOG = SOURCE / "amikiln" / "catalog"
OTHER_ROOMS = [
    file
    for file in sorted(SOURCE.rglob("*"))
    if file.suffix in {".py", ".j2", ".sh"} and CATALOG not in file.parents
]
KEYS = {name: value for name, value in vars(tags).items() if name.startswith("TAG_")}


def test_what_a_run_makes_carries_its_tags() -> None:
    planned = plan()
    minutes = planned.request_bake_machine().machine_minutes
    found = tags.tags_for_run(Run("cpu-build-1", "cpu-build"), planned.digest, minutes)
    expires = datetime.fromisoformat(found.pop(tags.TAG_EXPIRES))
    assert abs(expires - datetime.now(UTC) - timedelta(minutes=minutes)) < timedelta(seconds=30)
    assert found == {
        "amikiln:image": "cpu-build",
        "amikiln:run": "cpu-build-1",
        "amikiln:digest": planned.digest,
    }


def test_what_is_looked_for_is_part_of_what_is_tagged() -> None:
    planned, run = plan(), Run("cpu-build-1", "cpu-build")
    made = tags.tags_for_run(run, planned.digest, 5).items()
    for wanted in (
        tags.tags_for_spec("cpu-build"),
        tags.tags_of_run(run.id),
    ):
        assert wanted
        assert wanted.items() <= made


def test_a_run_is_read_back() -> None:
    run = Run("cpu-build-1", "cpu-build")
    assert tags.run_of(tags.tags_for_run(run, "d" * 64, 5)) == run.id
    assert tags.run_of({}) is None


def test_an_instance_that_was_left_for_somebody_is_known() -> None:
    assert tags.is_kept_instance(tags.tags_of_kept_instance())
    assert not tags.is_kept_instance(
        tags.tags_for_run(Run("cpu-build-1", "cpu-build"), "d" * 64, 5)
    )


@pytest.mark.parametrize("file", OTHER_ROOMS, ids=lambda file: str(file.relative_to(SOURCE)))
def test_no_other_room_names_a_tag(file: Path) -> None:
    text = file.read_text()
    for name, key in KEYS.items():
        assert name not in text
        assert f'"{key}"' not in text


@pytest.mark.parametrize(
    "file",
    [file for file in OTHER_ROOMS if file.suffix == ".py" and "amikiln" in file.parts],
    ids=lambda file: str(file.relative_to(SOURCE)),
)
def test_no_other_room_looks_into_tags(file: Path) -> None:
    assert list(looks_into_tags(ast.parse(file.read_text()))) == []


def looks_into_tags(tree: ast.AST) -> Iterator[str]:
    """Yield where code asks a record's ``tags`` for a key."""
    for node in ast.walk(tree):
        asked: list[ast.expr] = []
        if isinstance(node, ast.Subscript):
            asked = [node.value]
        elif isinstance(node, ast.Compare):
            asked = node.comparators
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            asked = [node.func.value]
        for value in asked:
            if isinstance(value, ast.Attribute) and value.attr == "tags":
                yield f"line {value.lineno}"


def test_looking_into_tags_is_noticed() -> None:
    for code in ("image.tags['a']", "image.tags.get('a')", "'a' in image.tags"):
        assert list(looks_into_tags(ast.parse(code))) == ["line 1"]
    assert list(looks_into_tags(ast.parse("run_of(image.tags)"))) == []
