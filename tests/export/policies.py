"""A policy as its statements."""

from __future__ import annotations

import json
from typing import Any

from amikiln.export import iam_policy
from amikiln.spec.spec import Spec

ACCOUNT = "123456789012"


def statements(wanted: Spec, **given: str) -> dict[str, Any]:
    """Return a policy's statements by their names."""
    found = json.loads(iam_policy.render_policy(wanted, **given))["Statement"]
    return {statement["Sid"]: statement for statement in found}


def allowing(found: dict[str, Any], action: str) -> list[dict[str, Any]]:
    return [statement for statement in found.values() if action in statement["Action"]]


def condition_keys(statement: dict[str, Any]) -> list[str]:
    return [key for test in statement.get("Condition", {}).values() for key in test]
