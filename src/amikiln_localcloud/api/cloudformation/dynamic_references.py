"""``{{resolve:ssm:NAME}}`` in a stack's template, which moto leaves as text.

CloudFormation puts the parameter's value in when it creates or updates the resource that has
the reference, and never between: updates compare the reference's text.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html and
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references-ssm.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from moto.cloudformation.exceptions import ValidationError

from amikiln_localcloud.api.ssm.parameters import find_parameter

REFERENCE = re.compile(r"\{\{resolve:([^:{}]*):?([^{}]*)\}\}")
NAME_AND_VERSION = re.compile(r"[a-zA-Z0-9_.\-/]+(?::\d+)?")


def resolve(value: Any, account_id: str, region: str) -> Any:
    """Return a copy of a template's value with every reference in it replaced.

    Args:
        value: Any part of a template, after its functions were evaluated.
        account_id: The account of the Parameter Store.
        region: The region of the Parameter Store.

    Raises:
        ValidationError: There is no such parameter or version, or the reference's service or
            format is not supported.
    """
    if isinstance(value, dict):
        return {key: resolve(one, account_id, region) for key, one in value.items()}
    if isinstance(value, list):
        return [resolve(one, account_id, region) for one in value]
    if isinstance(value, str):
        return REFERENCE.sub(lambda found: _look_up(found, account_id, region), value)
    return value


def check(value: Any, account_id: str, region: str) -> None:
    """Look up every reference that a template has literally, before anything is made.

    A reference that a function assembles is checked by ``resolve``.

    Raises:
        ValidationError: As ``resolve``.
    """
    for text in _iterate_texts(value):
        for found in REFERENCE.finditer(text):
            if "$" not in found[0]:
                _look_up(found, account_id, region)


def _iterate_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _iterate_texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _iterate_texts(one)


def _look_up(found: re.Match[str], account_id: str, region: str) -> str:
    service, name = found[1], found[2]
    if service != "ssm":
        raise ValidationError(
            message=f"{found[0]}: the local cloud resolves ssm only, and {service} not at all"
        )
    if not NAME_AND_VERSION.fullmatch(name):
        # Labels neither: CloudFormation takes versions only.
        raise ValidationError(
            message=f"Incorrect format is used in the following SSM reference: [{found[0]}]"
        )
    parameter = find_parameter(name, account_id, region)
    if parameter is None:
        raise ValidationError(message=f"Parameters: [ssm:{name}] cannot be found.")
    if parameter.parameter_type == "SecureString":
        raise ValidationError(message=f"Parameters: [ssm:{name}] are of type SecureString.")
    return str(parameter.value)
