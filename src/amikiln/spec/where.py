"""Finds where a value of a TOML file stands, and shows the line.

tomllib gives no places, and tomlkit keeps the text without line numbers. Another parser would be a
second reading of the file, which might differ from the first. So tomllib itself is asked: the first
lines of the file are a TOML file by themselves wherever a statement ends, and a value is in the
first statement after which it is there.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from amikiln.spec.explain import Fault
from amikiln.spec.words import shorten

ENDS = ("]", "]]", "}", "]}", "}]", "]}]", "}]}", '"""', "'''")
"""What may close the beginning of a statement that goes over several lines."""
NOT_TOML = re.compile(
    r"(?P<what>.*) \(at (line (?P<line>\d+), column (?P<column>\d+)|end of document)\)"
)
IN_WORDS = {
    r"Invalid value": "this is no value: strings stand in quotes, and it is true or false",
    r"Cannot overwrite a value": "this key has a value already",
    r"Cannot declare \('(.*)',?\) twice": "the table is there already: put its keys in one place",
    r"Expected '=' after.*": "a key needs = and a value after it",
    r"Expected newline or end of document.*": "the value has ended here: one key and value a line",
    r"Illegal character '\\n'": "the string has no closing quote on its line",
    r"Invalid statement": "this is neither KEY = VALUE, nor a [table], nor a # comment",
    r"Unclosed array": "the list has no closing ]",
    r"Expected \"\]\".*|Expected ']'.*": "the [table]'s closing ] is missing",
}
"""tomllib's messages, for people who do not know the format's terms."""

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Flag:
    """A ``--set`` of the command line.

    Attributes:
        text: As it was written: ``KEY=VALUE``.
        path: The key's, without ``local``.
        values: The nested tables that it stands for, likewise.
        local: Whether it is a value of ``[local]``.
    """

    text: str
    path: tuple[str, ...]
    values: Mapping[str, Any]
    local: bool


@dataclass(frozen=True)
class Written:
    """Where a spec's values were written.

    Attributes:
        origin: The file's name.
        text: What is in it.
        flags: The values of the command line, which override it.
        local: Whether its ``[local]`` tables override the others.
    """

    origin: str
    text: str = ""
    flags: Sequence[Flag] = ()
    local: bool = False

    def show(self, fault: Fault) -> str:
        """Return a fault with its place: the file's line, or the flag of the command line."""
        about = fault.message.partition(" ")[0]
        for path in ((*fault.path, about), fault.path):
            for flag in reversed(self.flags if path else ()):
                shared = min(len(path), len(flag.path))
                if flag.path[:shared] == path[:shared]:
                    return f"--set {shorten(flag.text)}: {fault}"
        number = self._find_line(fault.path, about)
        if number is None:
            return f"{self.origin}: {fault}"
        return f"{self.origin}:{number}: {fault}\n{show_line(self.text, number)}"

    def _find_line(self, path: Path, about: str) -> int | None:
        places = [("local", *path, about), ("local", *path)] if self.local else []
        places = [*places, (*path, about), path]
        for place in places:
            if number := find_line(self.text, place):
                return number
        above = [
            find_line(self.text, (*start, *path[:length]))
            for length in range(len(path) - 1, 0, -1)
            for start in ((), ("local",) if self.local else ())
        ]
        return next((number for number in above if number), None)


def find_line(text: str, path: Path) -> int | None:
    """Return the number of the line where a value is given, or None if it is not in the file.

    Args:
        text: A TOML file.
        path: Keys, and places in lists.
    """
    if not path:
        return None
    text = text.replace("\r\n", "\n")
    lines = text.split("\n")
    for first, last, tables in _list_statements(text):
        if _has(tables, path):
            return _find_within(lines, first, last, path)
    return None


def show_line(text: str, number: int, column: int | None = None) -> str:
    """Return a line of a file, indented and with its number; below it, a mark at the column."""
    line = text.split("\n")[number - 1].rstrip("\r").expandtabs(1)
    shown = f"  {number} | {line}"
    return (
        shown if column is None else f"{shown}\n  {' ' * len(str(number))} | {' ' * (column - 1)}^"
    )


def explain_syntax(error: tomllib.TOMLDecodeError, origin: str, text: str) -> str:
    """Return why a file is not TOML, with the line."""
    found = NOT_TOML.fullmatch(str(error))
    if found is None:
        return f"{origin} is not TOML: {error}"
    what = found["what"]
    for message, words in IN_WORDS.items():
        if re.fullmatch(message, what):
            what = words
    lines = text.rstrip("\n").split("\n")
    number, column = int(found["line"] or len(lines)), int(found["column"] or len(lines[-1]) + 1)
    return f"{origin}:{number}:{column}: not TOML: {what}\n{show_line(text, number, column)}"


@lru_cache(maxsize=4)
def _list_statements(text: str) -> tuple[tuple[int, int, dict[str, Any]], ...]:
    """Return each statement's first line, its last, and all values of the file up to it."""
    found, first = [], 1
    lines = text.split("\n")
    for last in range(1, len(lines) + 1):
        tables = _parse("\n".join(lines[:last]))
        if tables is not None:
            found.append((first, last, tables))
            first = last + 1
    return tuple(found)


def _find_within(lines: list[str], first: int, last: int, path: Path) -> int:
    for number in range(first, last):
        for end in ENDS:
            tables = _parse("\n".join([*lines[:number], end]))
            if tables is not None and _has(tables, path):
                return number
    return last


def _parse(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _has(tables: Any, path: Path) -> bool:
    for part in path:
        if isinstance(tables, Mapping) and part in tables:
            tables = tables[str(part)]
        elif isinstance(tables, list) and isinstance(part, int) and part < len(tables):
            tables = tables[part]
        else:
            return False
    return True
