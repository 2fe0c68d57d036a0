"""Which templates are accepted, and in which order a stack's resources are made.

moto only warns of types that it does not have, ignores policies, and follows ``Ref`` alone.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

from moto.cloudformation.exceptions import ValidationError

from amikiln_localcloud.api.served import NotPartOfCloud, list_stack_types

SUBSTITUTED = re.compile(r"\$\{([A-Za-z0-9:]+)(?:\.[^}]+)?\}")
ROLLING = ("AutoScalingRollingUpdate", "AutoScalingReplacingUpdate")


def check_template(template: dict[str, Any]) -> None:
    """Refuse what the local cloud does not have, and references to nothing.

    Raises:
        ValidationError: Names all faults of the first kind that was found.
    """
    resources: dict[str, Any] = template.get("Resources") or {}
    if not resources:
        raise _make_error("At least one Resources member must be defined.")
    if "Transform" in template:
        raise _make_refusal("Transform")
    known_types = list_stack_types()
    lacking = sorted({str(one.get("Type")) for one in resources.values()} - set(known_types))
    if lacking:
        raise _make_refusal(", ".join(lacking), f"its stacks have {', '.join(known_types)}")
    for name, one in resources.items():
        if "CreationPolicy" in one:
            raise _make_refusal(f"CreationPolicy (of {name})")
        policy = one.get("UpdatePolicy") or {}
        if policy.get("AutoScalingRollingUpdate") or (
            (policy.get("AutoScalingReplacingUpdate") or {}).get("WillReplace")
        ):
            raise _make_error(
                f"{name}: the local cloud replaces no running machines at an update, so it does "
                f"not have these UpdatePolicy attributes: {', '.join(ROLLING)}"
            )
    known = {*resources, *(template.get("Parameters") or {})}
    unknown = {
        name
        for one in resources.values()
        for name in find_references(one)
        if name not in known and not name.startswith("AWS::")
    }
    if unknown:
        raise _make_error(
            "Template format error: Unresolved resource dependencies "
            f"[{', '.join(sorted(unknown))}] in the Resources block of the template"
        )
    sort_by_dependency(resources)


def sort_by_dependency(resources: dict[str, Any]) -> list[str]:
    """Return the resources' names, each after those that it depends on.

    Raises:
        ValidationError: Some depend on each other.
    """
    needs = {
        name: [other for other in find_references(one) if other in resources]
        for name, one in resources.items()
    }
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        names = ", ".join(error.args[1])
        raise _make_error(f"Circular dependency between resources: [{names}]") from error


def find_references(value: Any) -> Iterator[str]:
    """Yield the names that a part of a template refers to."""
    if isinstance(value, list):
        for one in value:
            yield from find_references(one)
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
            yield from find_references(own)
        else:
            yield from find_references(one)


def _make_refusal(what: str, instead: str = "") -> ValidationError:
    return _make_error(str(NotPartOfCloud(what, instead)))


def _make_error(message: str) -> ValidationError:
    return ValidationError(message=message)
