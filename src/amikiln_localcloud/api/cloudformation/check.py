"""What a stack's template may hold, and in which order its resources are made.

moto only warns of types that it does not have, ignores policies, and looks at ``Ref`` alone.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.parsing import get_model_map

SUBSTITUTED = re.compile(r"\$\{([A-Za-z0-9:]+)(?:\.[^}]+)?\}")
ROLLING = ("AutoScalingRollingUpdate", "AutoScalingReplacingUpdate")


def check(template: dict[str, Any]) -> None:
    """Refuse what the local cloud would only pretend to do, and references to nothing.

    Raises:
        ValidationError: With everything that is wrong of one kind.
    """
    resources: dict[str, Any] = template.get("Resources") or {}
    if not resources:
        raise _refusal("At least one Resources member must be defined.")
    if "Transform" in template:
        raise _refusal("the local cloud does not run Transform")
    lacking = sorted({str(one.get("Type")) for one in resources.values()} - set(get_model_map()))
    if lacking:
        raise _refusal(f"the local cloud does not have resources of type: {', '.join(lacking)}")
    for name, one in resources.items():
        if "CreationPolicy" in one:
            raise _refusal(f"{name}: the local cloud does not have CreationPolicy")
        policy = one.get("UpdatePolicy") or {}
        if policy.get("AutoScalingRollingUpdate") or (
            (policy.get("AutoScalingReplacingUpdate") or {}).get("WillReplace")
        ):
            raise _refusal(
                f"{name}: the local cloud replaces no running machines at an update, so it does "
                f"not have these UpdatePolicy attributes: {', '.join(ROLLING)}"
            )
    known = {*resources, *(template.get("Parameters") or {})}
    unknown = {
        name
        for one in resources.values()
        for name in references(one)
        if name not in known and not name.startswith("AWS::")
    }
    if unknown:
        raise _refusal(
            "Template format error: Unresolved resource dependencies "
            f"[{', '.join(sorted(unknown))}] in the Resources block of the template"
        )
    order(resources)


def order(resources: dict[str, Any]) -> list[str]:
    """Return the resources' names, each behind those that it depends on.

    Raises:
        ValidationError: Some depend on each other.
    """
    needs = {
        name: [other for other in references(one) if other in resources]
        for name, one in resources.items()
    }
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        names = ", ".join(error.args[1])
        raise _refusal(f"Circular dependency between resources: [{names}]") from error


def references(value: Any) -> Iterator[str]:
    """Return the names that a part of a template refers to."""
    if isinstance(value, list):
        for one in value:
            yield from references(one)
    if not isinstance(value, dict):
        return
    for key, one in value.items():
        if key == "Ref":
            yield str(one)
        elif key == "Fn::GetAtt":
            yield str(one[0])
        elif key == "DependsOn":
            yield from [one] if isinstance(one, str) else one
        elif key == "Fn::Sub":
            text, own = one if isinstance(one, list) else (one, {})
            yield from (name for name in SUBSTITUTED.findall(text) if name not in own)
            yield from references(own)
        else:
            yield from references(one)


def _refusal(message: str) -> ValidationError:
    return ValidationError(message=message)
