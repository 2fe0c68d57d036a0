"""JSON Schemas: of image.toml, so that editors can complete it, and of files of ours."""

from __future__ import annotations

import copy
import json
from typing import Any

from pydantic import BaseModel

from amikiln.model import plan_file, verdict
from amikiln.spec import words
from amikiln.spec.spec import Spec


def render_spec_schema() -> str:
    """Return the schema of image.toml; ``[local]`` holds the same tables, all optional."""
    schema = Spec.model_json_schema()
    schema["title"] = "amikiln image.toml"
    for table in words.list_tables(Spec):
        part = schema if table is Spec else schema["$defs"][table.__name__]
        # A table that may be written as a string, too, is the second of two choices.
        _add_texts(table, part.get("anyOf", [part])[-1]["properties"])
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


def _add_texts(table: type[BaseModel], properties: dict[str, Any]) -> None:
    """Let editors show what each key is for, and what is allowed."""
    for name, text in words.read_texts(table).items():
        allowed = words.describe_allowed(table.model_fields[name])
        properties[name]["description"] = f"{text} Allowed: {allowed}." if allowed else text


def render_verdict_schema() -> str:
    """Return the schema of a verdict's file, in which every field is always present."""
    schema = verdict.ADAPTER.json_schema()
    schema["title"] = "amikiln verdict"
    schema["properties"]["verified_at"]["format"] = "date-time"
    return json.dumps(schema, indent=2) + "\n"


def render_plan_schema() -> str:
    """Return the schema of a plan's file, in which every field is always present."""
    schema = plan_file.ADAPTER.json_schema(mode="serialization")
    schema["title"] = "amikiln plan"
    for name, first, kind in (
        (plan_file.VERSION_KEY, True, {"const": plan_file.FORMAT_VERSION}),
        (plan_file.SEAL_KEY, False, {"type": "string", "pattern": "^[0-9a-f]{64}$"}),
    ):
        place = {name: {"description": plan_file.DESCRIPTIONS[name], **kind}}
        others = schema["properties"]
        schema["properties"] = {**place, **others} if first else {**others, **place}
        schema["required"].append(name)
    schema["$defs"]["Origin"]["properties"]["planned_at"]["format"] = "date-time"
    return json.dumps(schema, indent=2) + "\n"


def _make_optional(part: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return a part of the schema in which no key is required."""
    if "$ref" in part:
        part = definitions[part["$ref"].rsplit("/", 1)[1]]
    part = copy.deepcopy(part)
    part.pop("required", None)
    return part
