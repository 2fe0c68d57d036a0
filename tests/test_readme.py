"""What README.md promises is what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import boto3

from amikiln import errors

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SERVICES = ("autoscaling", "ec2", "ssm", "sts")


def actions_listed() -> set[str]:
    """Return the README's IAM actions, as ``ec2:RunInstances``."""
    (block,) = re.findall(r"^```\n(sts:.*?)^```", README, re.DOTALL | re.MULTILINE)
    found = set()
    service = ""
    for word in block.split():
        named, _, action = word.rpartition(":")
        service = named or service
        found.add(f"{service}:{action}")
    return found


def actions_called() -> set[str]:
    """Return every action that the modules which call boto3 can ask for."""
    source = "".join(file.read_text() for file in (ROOT / "src/amikiln/aws").glob("*.py"))
    methods = {*re.findall(r"\.(\w+)\(", source), *re.findall(r'get_paginator\("(\w+)"', source)}
    found = set()
    for service in SERVICES:
        client = boto3.client(service, region_name="us-east-1")
        names = client.meta.method_to_api_mapping
        found |= {f"{service}:{names[method]}" for method in methods & names.keys()}
    return found


def test_the_listed_actions_are_those_that_are_called() -> None:
    assert actions_listed() == actions_called()


def test_the_listed_exit_codes_are_those_of_the_errors() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, errors.AmikilnError)}
    assert listed == codes | {0, errors.INTERRUPTED_EXIT_CODE}
