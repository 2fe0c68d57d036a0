"""The JSON Schemas say what the spec and a verdict say."""

from __future__ import annotations

import copy
import dataclasses
import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from amikiln.export import schema
from amikiln.model.plan import Origin, Plan
from amikiln.model.plan_file import serialize as serialize_plan
from amikiln.model.verdict import ADAPTER, conclude, serialize
from fakes import plan
from verdicts import check_result, verdict

IMAGES = Path(__file__).parents[2] / "images"


def test_the_originals_image_fits_the_schema() -> None:
    values = tomllib.loads((IMAGES / "cpu-build" / "image.toml").read_text())
    jsonschema.validate(values, json.loads(schema.render_spec_schema()))


@pytest.mark.parametrize(
    "change",
    [
        {"regionn": "us-east-1"},
        {"volume": {"size_gib": 0}},
        {"local": {"volume": {"size": 3}}},
        {"local": {"docker": {"images": ["no tag"]}}},
    ],
)
def test_what_the_spec_refuses_the_schema_refuses(change: dict[str, object]) -> None:
    values = tomllib.loads((IMAGES / "cpu-build" / "image.toml").read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**values, **change}, json.loads(schema.render_spec_schema()))


DOCS = IMAGES.parent / "docs"
A_VERDICT = verdict(check_result("warm-again", figures={"cold_seconds": 31}))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (IMAGES / "image.schema.json", schema.render_spec_schema()),
        (DOCS / "plan.schema.json", schema.render_plan_schema()),
        (DOCS / "verdict.schema.json", schema.render_verdict_schema()),
    ],
    ids=["image", "plan", "verdict"],
)
def test_the_schema_that_is_checked_in_is_current(file: Path, text: str) -> None:
    assert file.read_text() == text


def test_a_written_verdict_matches_its_schema() -> None:
    wanted = json.loads(schema.render_verdict_schema())
    jsonschema.Draft202012Validator.check_schema(wanted)
    for checks in (A_VERDICT.checks, ()):
        written = serialize(
            dataclasses.replace(A_VERDICT, checks=checks, outcome=conclude(checks))
        ).content
        jsonschema.validate(json.loads(written), wanted)


@pytest.mark.parametrize("key", sorted(json.loads(serialize(A_VERDICT).content)))
def test_every_field_of_a_verdict_is_in_its_schema_and_needed(key: str) -> None:
    wanted = json.loads(schema.render_verdict_schema())
    assert wanted["properties"][key]["description"]
    written = json.loads(serialize(A_VERDICT).content)
    del written[key]
    with pytest.raises(jsonschema.ValidationError, match=f"'{key}' is a required property"):
        jsonschema.validate(written, wanted)


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"outcome": "probably"},
        {"checks": [{"name": "x", "outcome": "pass", "evidence": "", "hint": ""}]},
    ],
)
def test_what_reading_a_verdict_refuses_its_schema_refuses(change: dict[str, object]) -> None:
    written = {**json.loads(serialize(A_VERDICT).content), **change}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(written, json.loads(schema.render_verdict_schema()))
    with pytest.raises(ValueError, match=r"\w"):
        ADAPTER.validate_json(json.dumps(written))


A_PLAN = json.loads(serialize_plan(plan()))


def test_a_written_plan_matches_its_schema() -> None:
    wanted = json.loads(schema.render_plan_schema())
    jsonschema.Draft202012Validator.check_schema(wanted)
    jsonschema.validate(A_PLAN, wanted)
    assert list(wanted["properties"]) == list(A_PLAN), "as people read it"


@pytest.mark.parametrize(
    "key",
    [
        "format_version",
        *(field.name for field in dataclasses.fields(Plan)),
        *(f"origin.{field.name}" for field in dataclasses.fields(Origin)),
        "contents_sha256",
    ],
)
def test_every_field_of_a_plan_is_in_its_file_described_and_needed(key: str) -> None:
    wanted, written = json.loads(schema.render_plan_schema()), copy.deepcopy(A_PLAN)
    *above, name = key.split(".")
    described = wanted["$defs"]["Origin"] if above else wanted
    assert described["properties"][name]["description"]
    del (written[above[0]] if above else written)[name]
    with pytest.raises(jsonschema.ValidationError, match=f"'{name}' is a required property"):
        jsonschema.validate(written, wanted)


def test_no_file_s_bytes_are_in_a_plan_s_file() -> None:
    """A field of bytes would be written as text: it has to be of the type Contents."""
    assert '"format": "binary"' not in schema.render_plan_schema()
