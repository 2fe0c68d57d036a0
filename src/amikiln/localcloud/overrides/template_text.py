"""A stack's template as text: YAML with CloudFormation's short functions, or JSON.

moto reads it with PyYAML's unsafe loader, turns dates into objects, loses a mapping behind a
short function (as ``!Base64`` with ``Fn::Sub`` in it), and fails on text that is neither.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
"""

from __future__ import annotations

from typing import Any, ClassVar

import yaml
from moto.cloudformation.exceptions import ValidationError

NO_PREFIX = ("Ref", "Condition")
TIMESTAMP = "tag:yaml.org,2002:timestamp"


class TemplateLoader(yaml.SafeLoader):  # type: ignore[misc]  # has no types
    """PyYAML's safe loader with CloudFormation's tags; a date is text, as in JSON."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _function(loader: TemplateLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_scalar(node)
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in NO_PREFIX else f"Fn::{name}": value}


TemplateLoader.add_multi_constructor("!", _function)


def read(text: str) -> dict[str, Any]:
    """Return a template's content.

    Raises:
        ValidationError: It is neither YAML nor JSON (which is YAML, too), or not a mapping.
    """
    try:
        # A safe loader, which ruff cannot see.
        template = yaml.load(text, Loader=TemplateLoader)  # noqa: S506
    except yaml.YAMLError as error:
        raise ValidationError(
            message=f"Template format error: YAML not well-formed. {error}"
        ) from error
    if not isinstance(template, dict):
        raise ValidationError(message="Template format error: unsupported structure.")
    return template
