"""Reads a spec: one TOML file, its ``[local]`` overlay, and changes for one run."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from amikiln import faults
from amikiln.errors import SpecError
from amikiln.spec import Spec

SPEC_FILE_NAME = "image.toml"


def load(directory: Path, *, local: bool = False, changes: Sequence[str] = ()) -> Spec:
    """Read ``image.toml`` of an image's directory.

    Args:
        directory: The image's directory, as ``images/cpu-build``; or the file itself.
        local: Lay the file's ``[local]`` tables over the others.
        changes: Values for this run alone, each as ``table.key=value``, laid over all.

    Raises:
        SpecError: The file is missing or not TOML, or its values are not usable: all faults
            at once, each with its key.
    """
    path = directory if directory.suffix == ".toml" else directory / SPEC_FILE_NAME
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SpecError(
            f"there is no {path}", hint=f"name a directory that holds an {SPEC_FILE_NAME}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot read {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path} is not TOML: {error}") from error
    overlay = raw.pop("local", {})
    if not isinstance(overlay, dict):
        raise SpecError(f"{path}: local: has to be a table", hint="write [local.NAME] tables")
    values = _overlaid(raw, overlay) if local else raw
    for change in changes:
        values = _overlaid(values, _change(change))
    return parse(values, origin=str(path))


def parse(raw: Mapping[str, Any], *, origin: str) -> Spec:
    """Check a spec's values.

    Raises:
        SpecError: All faults at once, one a line, each as ``origin: key: fault``.
    """
    try:
        return Spec.model_validate(raw)
    except ValidationError as error:
        raise SpecError("\n".join(faults.described(error, Spec, origin))) from None


def _change(text: str) -> dict[str, Any]:
    """Return ``a.b=value`` as nested tables; the value is TOML's, or else a string as it is."""
    key, separator, written = text.partition("=")
    if not separator or not re.fullmatch(r"[a-z_]+(\.[a-z_]+)*", key):
        raise SpecError(
            f"--set {text}: not a key and a value",
            hint="write it as --set buildkit.max_parallelism=8",
        )
    try:
        value = tomllib.loads(f"value = {written}")["value"]
    except tomllib.TOMLDecodeError:
        value = written
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)


def _overlaid(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in overlay.items():
        below = result.get(key)
        both_tables = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[key] = _overlaid(below, value) if both_tables else value  # type: ignore[arg-type]
    return result
