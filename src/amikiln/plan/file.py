"""Reads a plan's file, strictly: as ``amikiln plan`` wrote it, or not at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from amikiln.errors import PreflightError
from amikiln.model.plan import Origin
from amikiln.model.plan_file import FORMAT_VERSION, SEAL_KEY, VERSION_KEY, PlanFile, seal
from amikiln.model.strict import describe_first

LARGEST_PLAN = 32 * 2**20
ORIGIN = TypeAdapter(Origin)
HINT = "give the file as `amikiln plan IMAGE --out FILE` wrote it, or plan again"


def read_plan(path: Path) -> PlanFile:
    """Read a plan's file; ``use_plan`` makes a plan of it.

    Args:
        path: What ``amikiln plan --out`` wrote.

    Raises:
        PreflightError: It is missing, is no plan, has another format, or was changed.
    """
    content = _read(path)
    fields = _parse(content, path)
    version = fields.pop(VERSION_KEY, None)
    if type(version) is not int:
        raise _refuse(path, f"{VERSION_KEY}: is missing, or no number")
    if version != FORMAT_VERSION:
        age = "an older" if version < FORMAT_VERSION else "a newer"
        raise PreflightError(
            f"the plan {path} has {age} format: {version}, and this amikiln reads {FORMAT_VERSION}",
            hint="plan again, with the amikiln that is to use the plan",
        )
    if not isinstance(fields.pop(SEAL_KEY, None), str):
        raise _refuse(path, f"{SEAL_KEY}: is missing, or no text")
    try:
        whole = seal({VERSION_KEY: version, **fields})
    except (ValueError, RecursionError) as error:
        raise _refuse(path, str(error)) from error
    if whole != content:
        raise PreflightError(
            f"the plan {path} was changed after `amikiln plan` wrote it: its contents are not those"
            f" of its {SEAL_KEY}",
            hint="change the spec, or use --set, and plan again: a plan is not edited",
        )
    try:
        origin = ORIGIN.validate_json(json.dumps(fields.get("origin")))
    except ValidationError as error:
        raise _refuse(path, f"origin: {describe_first(error)}") from error
    return PlanFile(path, origin, fields, content)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # A plan through a pipe is read, too; one without an end is not.
            content = file.read(LARGEST_PLAN + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PreflightError(
            f"cannot read the plan {path}: {reason}",
            hint="`amikiln plan IMAGE --out FILE` writes one",
        ) from error
    if len(content) > LARGEST_PLAN:
        raise _refuse(path, f"it has more than {LARGEST_PLAN // 2**20} MiB")
    return content


def _parse(content: bytes, path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(
            content.decode(), object_pairs_hook=_take_once, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as error:
        raise _refuse(path, f"byte {error.start} is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise _refuse(path, f"{error}" if content.strip() else "it is empty") from error
    if not isinstance(fields, dict):
        raise _refuse(path, "it is no JSON object")
    return fields


def _take_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in pairs:
        if key in fields:
            # Every reader would take another one of them for the right one.
            raise ValueError(f"{key}: is there twice")
        fields[key] = value
    return fields


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _refuse(path: Path, why: str) -> PreflightError:
    return PreflightError(f"{path} is not a plan: {' '.join(why.split())}", hint=HINT)
