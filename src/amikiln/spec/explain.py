"""Explains what is wrong with a spec: key, value, what is allowed, what was perhaps meant."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

MOST_CHARACTERS = 60


def describe(error: ValidationError, model: type[BaseModel], origin: str) -> list[str]:
    """Return one line for each fault, in the order of the model's keys.

    Args:
        error: What pydantic found.
        model: What the values were checked against; its fields' descriptions say what is allowed.
        origin: The file's name, which each line begins with.
    """
    return [
        f"{origin}: {line}" for fault in error.errors() for line in _describe_fault(fault, model)
    ]


def _describe_fault(fault: Any, model: type[BaseModel]) -> Iterator[str]:
    path: tuple[str | int, ...] = fault["loc"]
    key = ".".join(str(part) for part in path) or "(the whole)"
    kind, value = fault["type"], fault["input"]
    if kind == "extra_forbidden":
        table = _find_model(model, path[:-1])
        yield f"{key}: unknown key{_suggest(str(path[-1]), list(table.model_fields))}"
    elif kind == "missing":
        yield f"{key}: is missing{_describe_allowed(model, path)}"
    elif kind == "value_error":
        yield f"{key}: {re.sub('^Value error, ', '', fault['msg'])}"
    else:
        message = fault["msg"][0].lower() + fault["msg"][1:]
        allowed = _describe_allowed(model, path)
        if "pattern" in kind and allowed:
            message = "is not allowed"
        yield f"{key}: {_shorten(value)}: {message}{allowed}"


def _shorten(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 3] + "..."


def _suggest(written: str, keys: Sequence[str]) -> str:
    close = difflib.get_close_matches(written, keys, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known here: {', '.join(keys)}"


def _describe_allowed(model: type[BaseModel], path: Sequence[str | int]) -> str:
    field = _find_field(model, path)
    description = field and (field.description or _find_description(field.annotation))
    return f"; allowed: {description}" if description else ""


def _find_description(kind: Any) -> str | None:
    """Return the description of the type inside of a list or an optional."""
    for inner in (*getattr(kind, "__metadata__", ()), *get_args(kind)):
        found = inner.description if isinstance(inner, FieldInfo) else _find_description(inner)
        if found:
            return str(found)
    return None


def _find_field(model: type[BaseModel], path: Sequence[str | int]) -> FieldInfo | None:
    names = [part for part in path if isinstance(part, str)]
    if not names:
        return None
    return _find_model(model, names[:-1]).model_fields.get(names[-1])


def _find_model(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel]:
    for name in path:
        field = model.model_fields.get(str(name))
        if field is None:
            continue
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                model = kind
    return model
