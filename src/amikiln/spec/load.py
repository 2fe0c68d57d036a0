"""Reads an image's folder: image.toml with its ``[local]`` tables, and the user's own files."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from amikiln.errors import SpecError
from amikiln.spec import contradictions, explain
from amikiln.spec.explain import Fault
from amikiln.spec.own_files import read_checks, read_steps
from amikiln.spec.spec import Spec
from amikiln.spec.where import Flag, Written, explain_syntax

SPEC_FILE_NAME = "image.toml"
OF_AN_ACCOUNT = {
    "instance": (
        "subnet",
        "subnet_parameter",
        "security_group",
        "security_group_parameter",
        "ssh_from",
        "profile",
    ),
    "network": ("public_address", "connect"),
    "volume": ("kms_key",),
}
"""The keys, by table, that are about things of an AWS account, so not of the local cloud."""

SOURCE_KEYS = {
    "id": ("id",),
    "parameter": ("parameter",),
    "name": ("name", "owner"),
    "stack_version": ("stack_version", "stack_template", "stack_distribution"),
}
"""The ways to find the source image, and the keys of ``[source]`` that belong to each: a table that
names another way replaces the first, since there is no value for "none" in TOML."""


OF_A_CONTEXT = ("commit_from", "commit_label", "submodules")
"""Keys of ``[warm]`` that say which commit of a context: they do not count for another context."""


@dataclass(frozen=True)
class ImageFolder:
    """All that describes one image.

    Attributes:
        directory: Where the files are; the warm build's folder is there too.
        spec: What image.toml says.
        steps: The user's own steps, by the paths that they have in the recipe.
        checks: The user's own checks, by their names.
        file_name: The TOML file's.
        local: Whether its ``[local]`` tables override the others.
        changes: The values that were changed for this run only.
        bake_files: The bake files that were given for this run only, by their names in the spec.
    """

    directory: Path
    spec: Spec
    steps: Mapping[str, bytes]
    checks: Mapping[str, bytes]
    file_name: str = SPEC_FILE_NAME
    local: bool = False
    changes: tuple[str, ...] = ()
    bake_files: Mapping[str, Path] = field(default_factory=dict)


def load_image(
    image: Path,
    *,
    local: bool = False,
    changes: Sequence[str] = (),
    bake_files: Sequence[str] = (),
) -> ImageFolder:
    """Read an image's folder: ``image.toml``, ``steps/`` and ``checks/``.

    Args:
        image: The folder, as ``images/cpu-build``; or the TOML file in it.
        local: Let the file's ``[local]`` tables override the others.
        changes: Values for this run only, each as ``table.key=value``; they override all others.
        bake_files: For this run only, each as ``NAME=PATH``, or a path whose last part is the name
            that ``warm.bake_files`` has.

    Raises:
        SpecError: ``image.toml`` is missing or not TOML; or the folder has faults: all of them at
            once, a line for each key and each file.
    """
    path = image if image.suffix == ".toml" else image / SPEC_FILE_NAME
    of_files: list[str] = []
    steps, checks = read_steps(path.parent, of_files), read_checks(path.parent, of_files)
    tables, faults = _read_spec(path, local, changes, (len(steps), len(checks)))
    _refuse([*faults, *of_files])
    spec = Spec.model_validate(tables)
    given = dict(_parse_bake_file(text) for text in bake_files)
    return ImageFolder(path.parent, spec, steps, checks, path.name, local, tuple(changes), given)


def parse(raw: Mapping[str, Any], *, origin: str) -> Spec:
    """Check a spec's values.

    Args:
        raw: The tables of an image.toml.
        origin: The file's name, for the error.

    Raises:
        SpecError: All faults at once, one a line, each as ``origin: key: fault``.
    """
    written = Written(origin)
    _refuse([written.show(fault) for fault in _find_faults(raw)])
    return Spec.model_validate(raw)


def _read_spec(
    path: Path, local: bool, changes: Sequence[str], own: tuple[int, int]
) -> tuple[Mapping[str, Any], list[str]]:
    text, raw, overlay = _read_tables(path)
    flags = [_parse_change(change, local) for change in changes]
    changed: dict[str, Any] = {}
    for flag in flags:
        if flag.local:
            overlay = _override(overlay, flag.values)
        else:
            changed = _override(changed, flag.values)
    written = Written(str(path), text, flags)
    plain = _apply_source(raw, changed)
    with_local = _apply_source(_apply_local(raw, overlay), changed)
    written_local = replace(written, local=True)
    of_local = _find_faults(with_local, own)
    if local:
        return with_local, [written_local.show(fault) for fault in of_local]
    faults = _find_faults(plain, own)
    # A typo in [local] is reported now, not on the day when somebody needs it.
    more = [_mark_local(written_local.show(fault)) for fault in of_local if fault not in faults]
    return plain, [*(written.show(fault) for fault in faults), *more]


def _mark_local(fault: str) -> str:
    first, newline, line = fault.partition("\n")
    return f"{first} (with [local]){newline}{line}"


def _read_tables(path: Path) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return a file's text and tables, and separately those of ``[local]``."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        raw = tomllib.loads(text)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SpecError(
            f"there is no {path}",
            hint=f"name a directory that holds an {SPEC_FILE_NAME}",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot read {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise SpecError(explain_syntax(error, str(path), text)) from error
    overlay = raw.pop("local", {})
    if not isinstance(overlay, dict):
        place = Written(str(path), text).show(Fault(("local",), "has to be a table"))
        raise SpecError(place, hint="write [local.NAME] tables")
    return text, raw, overlay


def _find_faults(raw: Mapping[str, Any], own: tuple[int, int] = (0, 0)) -> list[Fault]:
    """Return the faults of a spec beside which so many steps and checks lie."""
    try:
        spec = Spec.model_validate(raw)
    except ValidationError as error:
        return explain.describe(error, Spec, raw)
    found = [text.partition(": ") for text in contradictions.find_contradictions(spec, *own)]
    return [Fault(tuple(key.split(".")), message) for key, _, message in found]


def _refuse(faults: Sequence[str]) -> None:
    if faults:
        raise SpecError("\n".join(faults))


def _parse_change(text: str, local: bool) -> Flag:
    """Return a ``--set a.b=value``; the value is TOML, or else a string as it is."""
    key, separator, written = text.partition("=")
    try:
        # Keys are TOML's, too: docker.logins."docker.io"
        values = tomllib.loads(f"{key} = 0") if separator and "\n" not in key else {}
    except tomllib.TOMLDecodeError:
        values = {}
    if not values:
        raise SpecError(
            f"--set {text}: not a key and a value",
            hint="write it as --set buildkit.max_parallelism=8",
        )
    path: list[str] = []
    while isinstance(values, dict):
        ((part, values),) = values.items()
        path.append(part)
    of_local = path[0] == "local"
    if of_local and (len(path) == 1 or not local):
        raise SpecError(
            f"--set {text}: [local] counts only with --local"
            if len(path) > 1
            else f"--set {text}: local has to be a table",
            hint="add --local, or leave out `local.`, as in --set volume.size_gib=20",
        )
    try:
        found = tomllib.loads(f"value = {written}")
        value = found["value"] if len(found) == 1 else written
    except tomllib.TOMLDecodeError:
        value = written
    for part in reversed(path[of_local:]):
        value = {part: value}
    return Flag(text, tuple(path[of_local:]), dict(value), of_local)


def _parse_bake_file(text: str) -> tuple[str, Path]:
    name, separator, path = text.partition("=")
    if not separator or "/" in name:
        name, path = Path(text).name, text
    if not name or not path:
        raise SpecError(f"--bake-file {text}: not a file", hint="write it as NAME=PATH, or PATH")
    return name, Path(path)


def _apply_local(raw: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables, overridden by ``[local]``; network, role and key are not the account's."""
    elsewhere = dict(raw)
    for name, keys in OF_AN_ACCOUNT.items():
        if isinstance(table := raw.get(name), Mapping):
            elsewhere[name] = {key: value for key, value in table.items() if key not in keys}
    return _apply_source(elsewhere, overlay)


def _apply_source(raw: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables, overridden; one other way to find the source image is the only one."""
    source, over = raw.get("source"), overlay.get("source")
    if isinstance(source, Mapping) and isinstance(over, Mapping):
        given = [way for way in SOURCE_KEYS if way in over]
        others = {key for way, keys in SOURCE_KEYS.items() if way not in given for key in keys}
        if given:
            source = {key: value for key, value in source.items() if key not in others}
            raw = {**raw, "source": source}
    warm, over = raw.get("warm"), overlay.get("warm")
    if isinstance(warm, Mapping) and isinstance(over, Mapping) and "context" in over:
        raw = {**raw, "warm": {key: warm[key] for key in warm if key not in OF_A_CONTEXT}}
    return _override(raw, overlay)


def _override(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in overlay.items():
        below = result.get(key)
        both_tables = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[key] = _override(below, value) if both_tables else value  # type: ignore[arg-type]
    return result
