"""Files that go into a plan: a plan's file has their hashes, a plan itself their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema


def hash_content(content: bytes) -> str:
    """Return how a file's content is named, as ``sha256:...``."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def hash_contents(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the hash of each file, in the order of their names."""
    return {name: hash_content(content) for name, content in sorted(files.items())}


def index_by_hash(contents: Iterable[bytes]) -> dict[str, bytes]:
    """Return what validating a plan's file takes as its context: contents by their hashes."""
    return {hash_content(content): content for content in contents}


def _look_up(hashes: object, info: ValidationInfo) -> Mapping[str, bytes]:
    """Return the contents of these hashes: a plan's file alone does not have them."""
    there: Mapping[str, bytes] = info.context or {}
    if not isinstance(hashes, dict):
        raise ValueError("is no table of hashes")
    missing = [name for name, wanted in hashes.items() if wanted not in there]
    if missing:
        raise ValueError(f"no file has the planned content of {', '.join(sorted(missing))}")
    return {name: there[wanted] for name, wanted in hashes.items()}


Contents = Annotated[
    Mapping[str, bytes],
    PlainSerializer(hash_contents, return_type=dict[str, str]),
    PlainValidator(_look_up),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
        }
    ),
]
"""Files by their names. What is of this type is written to a plan's file as hashes."""
