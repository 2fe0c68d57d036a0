"""Explains what is wrong with a spec: key, value, what is allowed, what was perhaps meant."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from amikiln.spec import words

KEY_MARK = "[key]"
"""What pydantic appends to a path when it is the key that is not allowed."""
LENGTHS = {
    "string_too_short": ("has to have at least", "min_length", "character"),
    "string_too_long": ("has to have at most", "max_length", "character"),
    "too_short": ("needs at least", "min_length", "entry"),
}
BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Fault:
    """What is wrong with a spec.

    Attributes:
        path: The key's, or its table's; empty: of the whole file.
        message: The value and why it is not allowed, without the key.
    """

    path: Path
    message: str

    def __str__(self) -> str:
        key = ".".join(_quote(part) for part in self.path)
        return f"{key}: {self.message}" if key else self.message


def describe(error: ValidationError, model: type[BaseModel], raw: Mapping[str, Any]) -> list[Fault]:
    """Return the faults in a person's words, in the order of the model's keys.

    Args:
        error: What pydantic found.
        model: What the values were checked against.
        raw: The values.
    """
    faults: list[Fault] = []
    skipped: list[Path] = []
    for found in error.errors():
        path, rest, value = _follow(found["loc"], raw)
        if rest and not isinstance(value, Mapping):
            # Each type that the value might have complains: it is said once what it has to be.
            faults.append(_describe_wrong_type(path, value, model))
        elif len(rest) == 1 and found["type"] != "value_error":
            skipped.append(path)  # it is the table among the types, whose own faults come, too
        else:
            faults.append(_describe_fault((*path, *rest[1:]), found, model))
    for path in skipped:
        if not any(fault.path[: len(path)] == path for fault in faults):
            faults.append(_describe_wrong_type(path, _follow(path, raw)[2], model))
    return list(dict.fromkeys(faults))


def _follow(place: Path, raw: Any) -> tuple[Path, Path, Any]:
    """Return a fault's path as it is in the file, the rest of it, and the value at the path.

    Where a value may have several types, pydantic puts the type's name into the path: the rest
    begins with that.
    """
    for number, part in enumerate(place):
        if isinstance(raw, Mapping) and part in raw:
            raw = raw[str(part)]
        elif isinstance(raw, list) and isinstance(part, int):
            raw = raw[part]
        elif _is_type(part):
            return place[:number], place[number:], raw
    return place, (), raw


def _is_type(part: str | int) -> bool:
    """Tell the name of a type that pydantic puts into a path from a key that is not in the file."""
    return re.match(r"[A-Z]\w*$|literal\[", str(part)) is not None


def _describe_fault(path: Path, found: Any, model: type[BaseModel]) -> Fault:
    kind, value = found["type"], found["input"]
    if path and path[-1] == KEY_MARK:
        table = words.find_field(model, path[:-2])
        (choice, *_) = words.list_choices(table)
        allowed = words.describe_allowed(get_args(choice)[0])
        return Fault(path[:-1], f"this key is not allowed; allowed: {allowed}")
    if kind == "extra_forbidden":
        table = words.find_table(words.find_field(model, path[:-1]))
        keys = list(table.model_fields) if table is not None else []
        return Fault(path, f"unknown key{_suggest(str(path[-1]), keys)}")
    field = words.find_field(model, path)
    if kind == "missing":
        return Fault(path, f"is missing{_describe_missing(path, field)}")
    if kind == "value_error":
        return _describe_rule(path, re.sub("^Value error, ", "", found["msg"]), model)
    allowed = words.describe_allowed(field)
    also = f"; allowed: {allowed}" if allowed else ""
    if kind in LENGTHS:
        bound, name, noun = LENGTHS[kind]
        count = found["ctx"][name]
        message = f"{bound} {count} {noun if count == 1 else f'{noun}s'}"
    elif kind in BOUNDS:
        bound, name = BOUNDS[kind]
        message = f"has to be {bound} {found['ctx'][name]:g}"
    elif "pattern" in kind:
        message = "is not allowed"
    else:
        return _describe_wrong_type(path, value, model)
    return Fault(path, f"{_show(value)}: {message}{also}")


def _describe_rule(path: Path, message: str, model: type[BaseModel]) -> Fault:
    """Return a fault of a rule between keys; one of the whole file is its first word's."""
    key, _, rest = message.partition(" ")
    if not path and "." in key and words.find_field(model, key.split(".")) is not None:
        return Fault(tuple(key.split(".")), rest)
    return Fault(path, message)


def _describe_wrong_type(path: Path, value: Any, model: type[BaseModel]) -> Fault:
    field = words.find_field(model, path)
    allowed = words.describe_allowed(field)
    also = f"; allowed: {allowed}" if allowed else ""
    return Fault(path, f"{_show(value)}: has to be {words.describe_value(field)}{also}")


def _describe_missing(path: Path, field: Any) -> str:
    """Return what has to be there: a table with the keys that it needs, or a value."""
    table = words.find_table(field)
    if table is not None and words.describe_type(field) == "table":
        needed = [
            f"{name} ({_describe_needed(inner)})"
            for name, inner in table.model_fields.items()
            if inner.is_required()
        ]
        keys = " and ".join(needed) or str(getattr(table, "NEEDS", ""))
        allowed = words.describe_allowed(field)
        also = f"; allowed: {allowed}" if allowed else ""
        return f": add the table [{'.'.join(map(str, path))}] with {keys}{also}"
    return f": give {_describe_needed(field)}"


def _describe_needed(field: Any) -> str:
    allowed = words.describe_allowed(field)
    return words.describe_value(field) + (f", allowed: {allowed}" if allowed else "")


def _quote(part: str | int) -> str:
    """Return a part of a path as TOML writes it."""
    text = str(part)
    return text if re.fullmatch(r"[\w-]+", text, re.ASCII) else json.dumps(text)


def _show(value: Any) -> str:
    return words.shorten(json.dumps(value, default=str))


def _suggest(written: str, keys: Sequence[str]) -> str:
    close = difflib.get_close_matches(written, keys, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known here: {', '.join(keys)}"
