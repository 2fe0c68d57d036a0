"""What the methods in aws/ declare is what they call."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from amikiln.aws.permissions import DECLARED, Permission, SpecResource, Target, Which

ROOT = Path(__file__).parents[2]
SERVICES = ("autoscaling", "ec2", "ssm", "sts", "iam", "ecr", "ecr-public")


@pytest.fixture(scope="module")
def api_names() -> dict[str, list[str]]:
    """Return the actions of each method of boto3's clients, as ``ec2:RunInstances``."""
    found: dict[str, list[str]] = {}
    for service in SERVICES:
        names = boto3.client(service, region_name="us-east-1").meta.method_to_api_mapping
        for method, name in names.items():
            found.setdefault(method, []).append(f"{service}:{name}")
    return found


def functions(tree: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Return all functions and methods of a module, by their whole names."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}.{node.name}")
        elif isinstance(node, ast.FunctionDef):
            yield f"{prefix}.{node.name}", node


def methods_called(function: ast.FunctionDef) -> set[str]:
    """Return the names of what a function calls on anything but itself; paginators' too."""
    found = set()
    for node in ast.walk(function):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "self":
            continue
        name = node.func.attr
        if name in {"get_paginator", "get_waiter"}:
            (argument,) = node.args
            assert isinstance(argument, ast.Constant)
            name = argument.value
        found.add(name)
    return found


def test_each_method_declares_the_actions_that_it_calls(
    api_names: dict[str, list[str]],
) -> None:
    declared = {
        name: {permission.action for permission in permissions if permission.called}
        for name, permissions in DECLARED.items()
    }
    calls = {}
    for file in (ROOT / "src/amikiln/aws").glob("*.py"):
        for name, function in functions(ast.parse(file.read_text()), f"amikiln.aws.{file.stem}"):
            methods = methods_called(function) & api_names.keys()
            if methods:
                # Where two services have a method of the same name, either may be meant.
                calls[name] = {
                    next((a for a in api_names[m] if a in declared.get(name, ())), api_names[m][0])
                    for m in methods
                }
    assert declared == calls
    assert "ec2:RunInstances" in calls["amikiln.aws.instances.Instances.launch"]
    assert "ec2:DescribeImages" in calls["amikiln.aws.images.Images._describe"]


def test_nothing_but_these_modules_makes_clients() -> None:
    makers = set()
    for file in (ROOT / "src/amikiln").rglob("*.py"):
        if "localcloud" in file.parts:
            continue
        for name, function in functions(ast.parse(file.read_text()), file.stem):
            if methods_called(function) & {"client", "resource"}:
                makers.add(name)
    assert makers == {"connect._connect", "connect._is_known_elsewhere"}


def permissions_of(name: str) -> dict[str, Permission]:
    return {permission.action: permission for permission in DECLARED[f"amikiln.aws.{name}"]}


@pytest.mark.parametrize("name", ["instances.Instances.launch", "images.Images.create"])
def test_what_makes_volumes_or_snapshots_implies_the_use_of_their_key(name: str) -> None:
    keyed = {
        action
        for action, found in permissions_of(name).items()
        if found.targets == (Target(Which.FROM_SPEC, SpecResource.ENCRYPTION_KEY.value),)
    }
    assert {"kms:CreateGrant", "kms:GenerateDataKeyWithoutPlaintext"} <= keyed


def test_writing_a_checked_parameter_implies_that_its_image_may_be_seen() -> None:
    found = permissions_of("parameters.Parameters.put")
    assert not found["ec2:DescribeImages"].called
