"""JSON Schemas: of image.toml, so that editors can complete it, and of a verdict's file."""

from __future__ import annotations

import copy
import json
from typing import Any

from amikiln.model.verdict import ADAPTER
from amikiln.spec.spec import Spec


def render_spec_schema() -> str:
    """Return the schema of image.toml; ``[local]`` holds the same tables, all optional."""
    schema = Spec.model_json_schema()
    schema["title"] = "amikiln image.toml"
    local = {
        "type": "object",
        "description": "Laid over the other values by --local; part of the inputs' digest then.",
        "additionalProperties": False,
        "properties": {
            name: _make_optional(part, schema["$defs"])
            for name, part in schema["properties"].items()
        },
    }
    schema["properties"]["local"] = local
    return json.dumps(schema, indent=2) + "\n"


def render_verdict_schema() -> str:
    """Return the schema of a verdict's file, in which every field is always present."""
    schema = ADAPTER.json_schema()
    schema["title"] = "amikiln verdict"
    schema["properties"]["verified_at"]["format"] = "date-time"
    return json.dumps(schema, indent=2) + "\n"


def _make_optional(part: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return a part of the schema in which no key is required."""
    if "$ref" in part:
        part = definitions[part["$ref"].rsplit("/", 1)[1]]
    part = copy.deepcopy(part)
    part.pop("required", None)
    return part
