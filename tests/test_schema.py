"""The JSON Schema says what the spec says."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from amikiln import schema

IMAGES = Path(__file__).parent.parent / "images"


def test_the_originals_image_fits_the_schema() -> None:
    values = tomllib.loads((IMAGES / "cpu-build" / "image.toml").read_text())
    jsonschema.validate(values, json.loads(schema.text()))


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
        jsonschema.validate({**values, **change}, json.loads(schema.text()))
