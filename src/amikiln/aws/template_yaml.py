"""CloudFormation templates: YAML with CloudFormation's short functions, or JSON.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
"""

from __future__ import annotations

from typing import Any, ClassVar

import yaml

NO_PREFIX = ("Ref", "Condition")
TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with CloudFormation's tags; dates stay text, as in JSON."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {  # type: ignore[misc]  # as PyYAML does
        first: [(tag, pattern) for tag, pattern in resolvers if tag != TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _function(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.ScalarNode)  # noqa: S101  (there is no fourth kind)
        value = loader.construct_scalar(node)
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in NO_PREFIX else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _function)


def parse_template(text: str | bytes) -> dict[str, Any] | None:
    """Return a template's content; None if it is not a mapping.

    Raises:
        yaml.YAMLError: It is neither YAML nor JSON (which is YAML, too).
    """
    template = yaml.load(text, Loader=_Loader)  # noqa: S506  (a safe one, which ruff cannot see)
    return template if isinstance(template, dict) else None
