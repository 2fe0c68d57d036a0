"""A stack's parameters: merged with the defaults, checked, and resolved at each change.

moto checks nothing, leaves the default of a list as text, and fails on a Systems Manager
parameter that is not there.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
and
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/systems-manager-parameter-types.html
"""

from __future__ import annotations

import re
from typing import Any

from moto.cloudformation.exceptions import ValidationError

from amikiln_localcloud.api.ssm.parameters import find_parameter

STORE_TYPE = "AWS::SSM::Parameter::Value<"


def merge(declarations: dict[str, Any], values: dict[str, Any]) -> dict[str, str]:
    """Return every parameter's value as text: the request's, else the default.

    Args:
        declarations: The template's section ``Parameters``.
        values: The request's.

    Raises:
        ValidationError: One is unknown, has no value, or violates a constraint of the template.
    """
    if unknown := [name for name in values if name not in declarations]:
        raise _make_error(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    found = {
        name: values.get(name, declaration.get("Default"))
        for name, declaration in declarations.items()
        if name in values or "Default" in declaration
    }
    if missing := [name for name in declarations if found.get(name) is None]:
        raise _make_error(f"Parameters: [{', '.join(missing)}] must have values")
    texts = {name: str(value) for name, value in found.items()}
    for name, text in texts.items():
        _check(name, declarations[name], text)
    return texts


def resolve(
    declarations: dict[str, Any], texts: dict[str, str], account_id: str, region: str
) -> dict[str, Any]:
    """Return what ``Ref`` gives for each parameter now.

    Args:
        declarations: The template's section ``Parameters``.
        texts: From ``merge``.
        account_id: The account of the Parameter Store.
        region: The region of the Parameter Store.

    Raises:
        ValidationError: A Systems Manager parameter is not there.
    """
    values: dict[str, Any] = {}
    absent = []
    for name, text in texts.items():
        kind = str(declarations[name].get("Type", "String"))
        value: Any = text
        if kind.startswith(STORE_TYPE):
            parameter = find_parameter(text, account_id, region)
            if parameter is None:
                absent.append(text)
                continue
            value = str(parameter.value)
            kind = kind.removeprefix(STORE_TYPE).removesuffix(">")
        if kind == "CommaDelimitedList" or kind.startswith("List<"):
            value = [part.strip() for part in value.split(",")]
        if kind == "Number":
            value = _parse_number(value)
        elif kind == "List<Number>":
            value = [_parse_number(part) for part in value]
        values[name] = value
    if absent:
        names = ", ".join(absent)
        raise _make_error(
            f"Unable to fetch parameters [{names}] from parameter store for this account."
        )
    return values


def _check(name: str, declaration: dict[str, Any], text: str) -> None:
    allowed = [str(one) for one in declaration.get("AllowedValues", [])]
    pattern = declaration.get("AllowedPattern")
    many = declaration.get("Type") == "CommaDelimitedList"
    parts = [part.strip() for part in text.split(",")] if many else [text]
    least = declaration.get("MinLength", 0)
    why = ""
    if allowed and not set(parts) <= set(allowed):
        why = f"must be one of AllowedValues: {', '.join(allowed)}"
    elif pattern and not all(re.fullmatch(pattern, part) for part in parts):
        why = f"must match pattern {pattern}"
    elif declaration.get("Type") == "Number":
        why = _find_number_fault(declaration, text)
    elif not int(least) <= len(text) <= int(declaration.get("MaxLength", len(text))):
        why = f"must be {least} to {declaration.get('MaxLength', 'any')} long"
    if why:
        explained = declaration.get("ConstraintDescription", why)
        raise _make_error(f"Parameter '{name}' failed to satisfy constraint: {explained}")


def _find_number_fault(declaration: dict[str, Any], text: str) -> str:
    try:
        number = _parse_number(text)
    except ValueError:
        return "must be a number"
    least, most = (float(declaration.get(key, number)) for key in ("MinValue", "MaxValue"))
    return "" if least <= number <= most else f"must be from {least:g} to {most:g}"


def _parse_number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _make_error(message: str) -> ValidationError:
    return ValidationError(message=message)
