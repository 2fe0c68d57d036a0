"""The source image out of a template of Buildkite's Elastic CI Stack, as its stacks find it.

Each published template maps regions to the stack's own images, which have the agent and Docker:
https://buildkite.com/docs/agent/v3/aws/elastic-ci-stack
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import yaml

from amikiln.aws import template_yaml
from amikiln.errors import PreflightError
from amikiln.spec.machine import Source
from amikiln.spec.types import AMI_ID

MAPPING = "AWSRegion2AMI"
ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}
"""The mapping's words for the spec's."""

READ_SECONDS = 30
LARGEST_TEMPLATE = 4 * 2**20
STATED_VERSION = re.compile(r"\bv\d\S*")


def find_image_id(source: Source, region: str, image_directory: Path) -> str:
    """Return the AMI that a version of the stack runs its agents on.

    Args:
        source: The spec's table, with ``stack_version``.
        region: The AWS region.
        image_directory: Where image.toml is; a template that is a file is beside it.

    Raises:
        PreflightError: The template cannot be read, is another version's, or has no such image.
    """
    version = source.stack_version or ""
    place = source.stack_template.replace("{version}", version)
    content = _fetch(place) if urlsplit(place).scheme else _read(image_directory / place)
    return _find_image_id(_parse(content, place), place, version, region, _name_key(source))


def _name_key(source: Source) -> str:
    """Return the mapping's key: a system and an architecture in one word, as ``ubuntu2404arm64``.

    Amazon Linux is ``linux`` there, whichever release of it a version of the stack uses.
    """
    system = source.stack_distribution if source.is_ubuntu else "linux"
    return f"{system}{ARCHITECTURES[source.architecture]}"


def _find_image_id(
    template: Mapping[str, Any], place: str, version: str, region: str, key: str
) -> str:
    stated = STATED_VERSION.search(str(template.get("Description", "")))
    if stated is None or stated[0] != version:
        raise PreflightError(
            f"{place} is a template of the Elastic CI Stack {stated[0] if stated else 'unknown'},"
            f" and source.stack_version is {version}",
            hint="correct source.stack_version or source.stack_template in image.toml",
        )
    regions = _mapping_at(_mapping_at(template, "Mappings"), MAPPING)
    if region not in regions:
        raise PreflightError(
            f"{place} has no image for {region}; it has some for {', '.join(sorted(regions))}",
            hint="choose another region or stack version",
        )
    offered = _mapping_at(regions, region)
    # An image that was not copied to a region has '' there.
    there = {name: str(id_) for name, id_ in offered.items() if re.fullmatch(AMI_ID, str(id_))}
    if key not in there:
        raise PreflightError(
            f"{place} has no {key} image in {region}; it has {', '.join(sorted(there)) or 'none'}",
            hint="choose another source.architecture, stack_distribution or stack_version",
        )
    return there[key]


def _mapping_at(within: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = within.get(key)
    return found if isinstance(found, dict) else {}


def _parse(content: bytes, place: str) -> Mapping[str, Any]:
    try:
        return template_yaml.parse_template(content) or {}
    except yaml.YAMLError as error:
        raise PreflightError(
            f"{place} is no YAML: {' '.join(str(error).split())}",
            hint="give a template of the Elastic CI Stack as it was published",
        ) from error


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(LARGEST_TEMPLATE)
    except OSError as error:
        raise PreflightError(
            f"cannot read the stack's template {file}: {error.strerror or error}",
            hint="correct source.stack_template in image.toml",
        ) from error


def _fetch(url: str) -> bytes:
    try:
        with urlopen(url, timeout=READ_SECONDS) as answer:  # noqa: S310  (https, says the spec)
            content: bytes = answer.read(LARGEST_TEMPLATE)
    except OSError as error:
        raise PreflightError(
            f"cannot fetch the stack's template {url}: {error}",
            hint="check source.stack_version, or keep the template beside image.toml and name it in"
            " source.stack_template",
        ) from error
    return content
