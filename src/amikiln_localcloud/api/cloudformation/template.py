"""A stack's template, read as CloudFormation reads it.

moto reads it with PyYAML's unsafe loader, turns dates into objects, loses a mapping in a short
function (as ``!Base64`` with ``Fn::Sub`` in it), and fails on text that is neither YAML nor JSON.
"""

from __future__ import annotations

from typing import Any

import yaml
from moto.cloudformation.exceptions import ValidationError

from amikiln.aws import template_yaml


def read(text: str) -> dict[str, Any]:
    """Return a template's content.

    Raises:
        ValidationError: It is neither YAML nor JSON (which is YAML too), or not a mapping.
    """
    try:
        template = template_yaml.parse_template(text)
    except yaml.YAMLError as error:
        raise ValidationError(
            message=f"Template format error: YAML not well-formed. {error}"
        ) from error
    if template is None:
        raise ValidationError(message="Template format error: unsupported structure.")
    return template
