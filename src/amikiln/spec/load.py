"""Reads a spec: one TOML file, its ``[local]`` overlay, and changes for one run."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from amikiln.errors import SpecError
from amikiln.spec import explain
from amikiln.spec.spec import Spec

SPEC_FILE_NAME = "image.toml"
NETWORK = ("subnet", "subnet_parameter", "security_group", "security_group_parameter", "ssh_from")
"""The keys of ``[instance]`` that name things of an account, which the local cloud has not."""


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
    raw, overlay = _tables(path)
    changed: dict[str, Any] = {}
    for change in changes:
        changed = _overlaid(changed, _change(change))
    plain, with_local = _overlaid(raw, changed), _overlaid(_with_local(raw, overlay), changed)
    if local:
        return parse(with_local, origin=str(path))
    # A typo in [local] is told now, not on the day when somebody needs it.
    lines = _faults(plain, str(path))
    lines += [
        f"{line} (with [local])" for line in _faults(with_local, str(path)) if line not in lines
    ]
    _refuse(lines)
    return Spec.model_validate(plain)


def parse(raw: Mapping[str, Any], *, origin: str) -> Spec:
    """Check a spec's values.

    Raises:
        SpecError: All faults at once, one a line, each as ``origin: key: fault``.
    """
    _refuse(_faults(raw, origin))
    return Spec.model_validate(raw)


def _tables(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a file's tables, and apart from them those of ``[local]``."""
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
    return raw, overlay


def _faults(raw: Mapping[str, Any], origin: str) -> list[str]:
    try:
        Spec.model_validate(raw)
    except ValidationError as error:
        return explain.describe(error, Spec, origin)
    return []


def _refuse(lines: Sequence[str]) -> None:
    if lines:
        raise SpecError("\n".join(lines))


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


def _with_local(raw: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables with ``[local]`` laid over them: the network is ``[local]``'s alone."""
    instance = raw.get("instance")
    if not isinstance(instance, Mapping) or not overlay:
        return _overlaid(raw, overlay)
    elsewhere = {key: value for key, value in instance.items() if key not in NETWORK}
    return _overlaid({**raw, "instance": elsewhere}, overlay)


def _overlaid(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in overlay.items():
        below = result.get(key)
        both_tables = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[key] = _overlaid(below, value) if both_tables else value  # type: ignore[arg-type]
    return result
