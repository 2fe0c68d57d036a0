"""A spec's keys in words: the type of each, its limits, what is allowed, and what it is for."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
import types
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

PLAIN = {str: "string", int: "whole number", float: "number", bool: "true or false"}
NO_NOUNS = ('"', "true", "false", "anything")
LIMITS = {"ge": "at least {}", "gt": "more than {}", "le": "at most {}", "lt": "less than {}"}

MOST_CHARACTERS = 60
"""Of a value in a message."""


def describe_type(kind: Any) -> str:
    """Return a type as a person would say it: ``list of strings``, ``table``, ``whole number``.

    Args:
        kind: The annotation of a field, or a part of one.
    """
    return " or ".join(dict.fromkeys(_describe(each) for each in list_choices(kind)))


def describe_value(kind: Any) -> str:
    """Return what a value has to be, with an article: ``a list of strings``."""
    words = dict.fromkeys(_add_article(_describe(each)) for each in list_choices(kind))
    return " or ".join(words)


def describe_limits(kind: Any) -> str | None:
    """Return the least and the most of a number or of a list's entries; None if there is none."""
    least: list[str] = []
    for limit in _list_metadata(kind):
        for name, words in LIMITS.items():
            if (value := getattr(limit, name, None)) is not None:
                least.append(words.format(f"{value:g}" if value < 10**6 else str(value)))
    return ", ".join(dict.fromkeys(least)) or None


def describe_allowed(kind: Any) -> str | None:
    """Return what a value may be, as its type says in words; None if it does not say."""
    if isinstance(kind, FieldInfo) and kind.description:
        return kind.description
    for inner in _list_inner(kind):
        if found := inner.description if isinstance(inner, FieldInfo) else describe_allowed(inner):
            return str(found)
    return None


def find_table(kind: Any) -> type[BaseModel] | None:
    """Return the table that a value is, or that a list's entries or a table's values are."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    for inner in _list_inner(kind):
        if not isinstance(inner, FieldInfo) and (found := find_table(inner)):
            return found
    return None


def find_field(table: type[BaseModel], path: Sequence[str | int]) -> Any:
    """Return the field at a path of keys and places in lists, or the type there; None: no key."""
    kind: Any = table
    for part in path:
        kind = next(_enter(kind, part), None)
        if kind is None:
            return None
    return kind


def list_choices(kind: Any) -> list[Any]:
    """Return the types that a value may have; one, unless it is a union."""
    if isinstance(kind, FieldInfo):
        return list_choices(kind.annotation)
    if get_origin(kind) is Annotated:
        return list_choices(get_args(kind)[0])
    if get_origin(kind) in {Union, types.UnionType}:
        return [
            one for part in get_args(kind) for one in list_choices(part) if one is not type(None)
        ]
    return [kind]


def list_tables(table: type[BaseModel]) -> list[type[BaseModel]]:
    """Return a table and all tables in it, each once, in the order of their keys."""
    found = [table]
    for field in table.model_fields.values():
        inner = find_table(field)
        if inner is not None:
            found += [each for each in list_tables(inner) if each not in found]
    return found


def read_texts(table: type[BaseModel]) -> dict[str, str]:
    """Return what each key of a table is for: the string below it in the source.

    It is read only where it is shown: pydantic's ``use_attribute_docstrings`` reads the source
    whenever the module is imported, which every command would wait for.
    """
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(table))).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101 - what getsource returns for a class
    texts = {}
    for node, below in pairwise(definition.body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            match below:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    texts[node.target.id] = clean(text)
    return texts


def clean(text: str) -> str:
    """Return a docstring as one line of Markdown."""
    return " ".join(text.split()).replace("``", "`")


def _enter(kind: Any, part: str | int) -> Iterator[Any]:
    for choice in list_choices(kind):
        origin, inner = get_origin(choice), get_args(choice)
        if isinstance(choice, type) and issubclass(choice, BaseModel):
            if part in choice.model_fields:
                yield choice.model_fields[str(part)]
        elif origin is tuple and isinstance(part, int):
            yield inner[0]
        elif _is_mapping(choice):
            yield inner[1]


def _describe(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return _join([json.dumps(value) for value in inner])
    if origin is tuple:
        return f"list of {_describe_several(inner[0])}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return str(getattr(kind, "WRITTEN_AS", "table"))
    if _is_mapping(kind):
        return f"table of {_describe_several(inner[1])}"
    return PLAIN.get(kind, "anything")


def _describe_several(kind: Any) -> str:
    choices = list_choices(kind)
    if all(get_origin(choice) is Literal for choice in choices):
        return describe_type(kind)
    words = dict.fromkeys(_make_plural(_describe(choice)) for choice in choices)
    return " or ".join(words)


def _make_plural(words: str) -> str:
    if words.startswith(("list ", "table ")):
        return words.replace(" ", "s ", 1)
    if words.startswith(NO_NOUNS):
        return words
    return " or ".join(f"{word}s" for word in words.split(" or "))


def _add_article(words: str) -> str:
    if words.startswith(NO_NOUNS):
        return words
    parts = [words] if " of " in words else words.split(" or ")
    return " or ".join(f"a {part}" for part in parts)


def _join(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def _list_metadata(kind: Any) -> Iterator[Any]:
    """Yield what is annotated of a value itself, not of what is in it."""
    if isinstance(kind, FieldInfo):
        yield from kind.metadata
        yield from _list_metadata(kind.annotation)
    elif get_origin(kind) is Annotated:
        for each in get_args(kind)[1:]:
            yield from each.metadata if isinstance(each, FieldInfo) else [each]
        yield from _list_metadata(get_args(kind)[0])
    elif get_origin(kind) in {Union, types.UnionType}:
        for part in get_args(kind):
            yield from _list_metadata(part)


def _list_inner(kind: Any) -> tuple[Any, ...]:
    if isinstance(kind, FieldInfo):
        return (kind.annotation,)
    if get_origin(kind) is Annotated:
        first, *rest = get_args(kind)
        return (*rest, first)
    # Of a table's keys and values, the values.
    return get_args(kind)[-1:] if _is_mapping(kind) else get_args(kind)


def _is_mapping(kind: Any) -> bool:
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def shorten(text: str) -> str:
    """Return a text that fits into a message, cut off where it is longer."""
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 3] + "..."
