"""A template's functions.

moto invents the zones' names, fails on the zones of ``!Ref AWS::Region``, and leaves
AWS::NoValue in lists.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/
intrinsic-function-reference.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moto.cloudformation.parsing import clean_json

Zones = Callable[[str], list[str]]


def evaluate(definition: dict[str, Any], values: Any, zones: Zones) -> dict[str, Any]:
    """Return a resource's definition without functions; dynamic references stay as text.

    Args:
        definition: As in the template.
        values: A map of resources and parameters by name, or ``Placeholders`` for one.
        zones: Returns the zones of a region; of the stack's for "".
    """
    with_zones = _replace_zones(definition, values, zones)
    found: dict[str, Any] = _drop_no_value(clean_json(with_zones, values))
    return found


class Placeholders(Mapping[str, Any]):
    """A map in which every resource is represented by its name, whether it exists or not."""

    def __init__(self, resource_map: Any) -> None:
        self._resource_map = resource_map
        self.lazy_condition_map = resource_map.lazy_condition_map
        self.cross_stack_resources = resource_map.cross_stack_resources

    def __getitem__(self, key: str) -> Any:
        if key in self._resource_map._resource_json_map:
            return _Placeholder(key)
        return self._resource_map[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._resource_map)

    def __len__(self) -> int:
        return len(self._resource_map)


class _Placeholder:
    def __init__(self, name: str) -> None:
        self.physical_resource_id = f"${{{name}}}"

    def get_cfn_attribute(self, attribute: str) -> str:
        return f"{self.physical_resource_id}.{attribute}"


def _replace_zones(value: Any, values: Any, zones: Zones) -> Any:
    if isinstance(value, list):
        return [_replace_zones(one, values, zones) for one in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Fn::GetAZs"}:
        return zones(clean_json(value["Fn::GetAZs"], values))
    return {key: _replace_zones(one, values, zones) for key, one in value.items()}


def _drop_no_value(value: Any) -> Any:
    """Remove ``AWS::NoValue`` from lists, where moto leaves it."""
    if isinstance(value, dict):
        return {key: _drop_no_value(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_drop_no_value(one) for one in value if one is not None]
    return value
