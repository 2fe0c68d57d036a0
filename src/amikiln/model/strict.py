"""How records are read from files: nothing unknown, nothing missing, nothing made to fit."""

from __future__ import annotations

from pydantic import ConfigDict, ValidationError

STRICT = ConfigDict(
    extra="forbid",
    strict=True,
    allow_inf_nan=False,
    use_attribute_docstrings=True,
    defer_build=True,
)
"""How records are read from files, and described in a schema."""


def describe_first(error: ValidationError) -> str:
    """Return the first fault on one line: names of fields may hold line breaks."""
    fault = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"])
    message = fault["msg"].removeprefix("Value error, ")
    text = f"{message[0].lower()}{message[1:]}"
    return " ".join((f"{key}: {text}" if key else text).split())
