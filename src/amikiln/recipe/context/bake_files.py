"""Which Dockerfiles the targets of bake files name, as far as that can be told without buildx.

https://docs.docker.com/build/bake/reference/
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import yaml

from amikiln.recipe.context import hcl

DEFAULT_NAMES = (
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
    "docker-bake.json",
    "docker-bake.hcl",
    "docker-bake.override.json",
    "docker-bake.override.hcl",
)
"""What buildx reads where it is given no file: all of them that are there, in this order
(https://docs.docker.com/reference/cli/docker/buildx/bake/#file)."""

Attributes = dict[str, hcl.Literal]


@dataclass
class _Definitions:
    targets: dict[str, Attributes] = field(default_factory=dict)
    groups: dict[str, hcl.Literal] = field(default_factory=dict)
    complete: bool = True
    """Whether no other target can be there."""


@dataclass(frozen=True)
class Target:
    """A target to build, with what is certain of it.

    Attributes:
        context: The folder, from where buildx runs; None: cannot be told, or no local folder.
        dockerfile: From the context; None: cannot be told, or there is none.
    """

    name: str
    context: str | None
    dockerfile: str | None


def find_targets(
    files: Sequence[tuple[str, bytes]], wanted: Sequence[str], faults: list[str]
) -> list[Target]:
    """Return what bake files say of the targets that are to be built.

    Args:
        files: Names and contents, in the order in which buildx merges them.
        wanted: Targets and groups, as on the command line; ``*`` matches anything.
        faults: Gets a line for each that is certainly not there.
    """
    found = _Definitions()
    for name, content in files:
        try:
            _READERS.get(PurePath(name).suffix, _read_unknown)(content.decode(), found)
        except (ValueError, TypeError, AttributeError, yaml.YAMLError):
            # buildx will say what is wrong with it.
            found.complete = False
    targets = []
    for name in dict.fromkeys(_expand(found, wanted)):
        if name in found.targets:
            targets.append(_describe(name, found))
        elif found.complete:
            known = ", ".join(sorted({*found.targets, *found.groups})) or "none"
            faults.append(f"there is no target {name} in the bake files; they have {known}")
    return targets


def _describe(name: str, found: _Definitions) -> Target:
    values = _inherit(name, found, ())
    context = values.get("context", ".")
    dockerfile = values.get("dockerfile", "Dockerfile")
    if {"matrix", "dockerfile-inline", "unknown"} & values.keys():
        dockerfile = None
    return Target(
        name,
        context if isinstance(context, str) and _is_local(context) else None,
        dockerfile if isinstance(dockerfile, str) and _is_local(dockerfile) else None,
    )


def _is_local(place: str) -> bool:
    remote = ("git@", "github.com/", "target:", "cwd:", "oci-layout:", "docker-image:", "-")
    return "://" not in place and not place.startswith(remote) and place != ""


def _inherit(name: str, found: _Definitions, below: tuple[str, ...]) -> Attributes:
    values: Attributes = {}
    own = found.targets.get(name)
    if own is None or name in below:
        return {"unknown": None, "context": None}
    parents = own.get("inherits", ())
    if not isinstance(parents, tuple):
        return {"unknown": None, "context": None}
    for parent in parents:
        values |= _inherit(parent, found, (*below, name))
    return values | own


def _expand(
    found: _Definitions, wanted: Sequence[str], above: frozenset[str] = frozenset()
) -> Iterator[str]:
    for name in wanted:
        if any(character in name for character in "*?["):
            yield from fnmatch.filter(found.targets, name)
        elif name in found.groups and name not in above:
            members = found.groups[name]
            if isinstance(members, tuple):
                yield from _expand(found, members, above | {name})
        else:
            yield name


def _merge(found: _Definitions, kind: str, name: str, values: Attributes) -> None:
    if kind == "group":
        # What becomes of two groups of one name is buildx's to know.
        found.groups[name] = None if name in found.groups else values.get("targets", ())
    elif kind == "target":
        if "matrix" in values or "name" in values:
            # It stands for targets whose names buildx computes.
            found.complete = False
        found.targets.setdefault(name, {}).update(values)


def _read_hcl(text: str, found: _Definitions) -> None:
    for block in hcl.read_blocks(text):
        if len(block.labels) == 1:
            _merge(found, block.kind, block.labels[0], block.values)


def _read_json(text: str, found: _Definitions) -> None:
    # HCL's JSON form allows a list of objects wherever an object is.
    for top in _as_list(json.loads(text)):
        for kind in ("target", "group"):
            for named in _as_list(top.get(kind, {})):
                for name, bodies in named.items():
                    for body in _as_list(bodies):
                        values = {key: _read_value(value) for key, value in body.items()}
                        _merge(found, kind, name, values)


def _read_compose(text: str, found: _Definitions) -> None:
    names = []
    for name, service in (yaml.safe_load(text).get("services") or {}).items():
        build = service.get("build")
        if build is None:
            if "extends" in service:
                found.complete = False
            continue
        if isinstance(build, str):
            build = {"context": build}
        keys = {"context": "context", "dockerfile": "dockerfile"}
        values = {keys[key]: _read_value(build[key]) for key in keys if key in build}
        if "dockerfile_inline" in build:
            values["dockerfile-inline"] = None
        # What compose files may do to it besides is buildx's to know.
        if "extends" in service or "x-bake" in build:
            values["unknown"] = None
        _merge(found, "target", name, values)
        names.append(name)
    _merge(found, "group", "default", {"targets": tuple(names)})


def _read_unknown(_text: str, found: _Definitions) -> None:
    found.complete = False


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _read_value(value: Any) -> hcl.Literal:
    if isinstance(value, str):
        return None if "${" in value or "%{" in value or "$" in value else value
    if isinstance(value, list) and all(isinstance(each, str) and "$" not in each for each in value):
        return tuple(value)
    return None


_READERS: Mapping[str, Any] = {
    ".hcl": _read_hcl,
    ".json": _read_json,
    ".yml": _read_compose,
    ".yaml": _read_compose,
}
