"""What can be said for certain of an HCL file without running it: its blocks' literal values.

Bake files have variables, functions and loops, which buildx alone evaluates. A value that is no
literal is None here: it cannot be told. https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from amikiln.runtime import directories
from amikiln.runtime.cache import compute_key, make_once

Literal = str | tuple[str, ...] | None

IS_BLOCK = "__is_block__"
"""python-hcl2's mark: an attribute may hold an object, too."""
WITHOUT_COMMENTS = {"with_comments": False}
PARSED = "parsed.json"


@dataclass(frozen=True)
class Block:
    """A block of a file, as ``target "test" { ... }``.

    Attributes:
        values: Its attributes: a string, or a list of them; None where it is no such literal.
    """

    kind: str
    labels: tuple[str, ...]
    values: dict[str, Literal]


def read_blocks(text: str) -> list[Block]:
    """Return the blocks at the top of an HCL file, those of one kind together.

    Raises:
        ValueError: It is no HCL.
    """
    return [
        block
        for kind, several in _parse_once(text).items()
        if isinstance(several, list)
        for each in several
        for block in _read_block(kind, (), each)
    ]


def _parse_once(text: str) -> dict[str, Any]:
    """Return what python-hcl2 makes of a file, and keep it: the parser takes long to be made."""
    key = compute_key(metadata.version("python-hcl2"), text)

    def parse_into(folder: Path) -> None:
        (folder / PARSED).write_text(json.dumps(_parse(text)), encoding="utf-8")

    try:
        kept = make_once(directories.cache_directory() / f"hcl-{key}", parse_into)
    except OSError:  # a home that cannot be written is no fault of the file
        return _parse(text)
    found: dict[str, Any] = json.loads((kept / PARSED).read_text(encoding="utf-8"))
    return found


def _parse(text: str) -> dict[str, Any]:
    import hcl2
    from hcl2.utils import SerializationOptions
    from lark.exceptions import LarkError

    try:
        return hcl2.loads(text, serialization_options=SerializationOptions(**WITHOUT_COMMENTS))
    except (LarkError, RecursionError) as error:
        raise ValueError(str(error)) from error


def _read_block(kind: str, labels: tuple[str, ...], found: Any) -> Iterator[Block]:
    if not isinstance(found, dict):
        return
    if found.get(IS_BLOCK) is True:
        values = {
            key: _read_literal(value)
            for key, value in found.items()
            if key != IS_BLOCK and not _is_block(value)
        }
        yield Block(kind, labels, values)
        return
    for label, within in found.items():
        text = _read_literal(label) if label.startswith('"') else label
        if isinstance(text, str):
            yield from _read_block(kind, (*labels, text), within)


def _is_block(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(it, dict) and IS_BLOCK in it for it in value)


def _read_literal(value: Any) -> Literal:
    """Return what python-hcl2 leaves in quotes; without quotes are names and expressions."""
    if isinstance(value, list):
        several = [_read_literal(each) for each in value]
        texts = tuple(each for each in several if isinstance(each, str))
        return texts if len(texts) == len(several) else None
    if not isinstance(value, str) or not value.startswith('"') or "${" in value or "%{" in value:
        return None
    try:
        # HCL's escapes are JSON's, and \UNNNNNNNN besides. A heredoc has lines, which JSON has not.
        return str(json.loads(value))
    except ValueError:
        return None
