"""The values that Terraform gets from a spec, and that it needs no others."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from amikiln.errors import SpecError
from amikiln.export import terraform
from amikiln.spec import load

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "images" / "cpu-build"
VARIABLES = (ROOT / "terraform" / "aws" / "variables.tf").read_text()


def exported(**changes: dict[str, object]) -> dict[str, Any]:
    """Return what is exported of the image, with some keys of its tables changed."""
    raw = tomllib.loads((IMAGE / "image.toml").read_text())
    del raw["local"]
    tables = {name: {**raw[name], **change} for name, change in changes.items()}
    spec = load.parse({**raw, **tables}, origin="image.toml")
    values: dict[str, Any] = json.loads(terraform.render_variables(spec))
    return values


def test_the_originals_pointer_and_schedule() -> None:
    values = exported()
    assert values["pointer"] == "/buildkite/cpu-build-ami/us-east-1"
    assert values["schedule"] == "0 6 * * *"


def test_terraform_declares_what_is_exported_and_in_the_same_part() -> None:
    from_the_spec = VARIABLES.split("# From you: terraform.tfvars")[0]
    assert re.findall(r'^variable "(\w+)"', from_the_spec, re.MULTILINE) == list(exported())


@pytest.mark.parametrize(
    ("key", "own", "below_the_pointer"),
    [
        ("subnet_parameter", "/network/subnet", "/subnet-id"),
        ("security_group_parameter", "/network/group", "/security-group-id"),
    ],
)
def test_parameters_are_the_specs_own_or_below_the_pointer(
    key: str, own: str, below_the_pointer: str
) -> None:
    assert exported()[key] == f"/buildkite/cpu-build-ami/us-east-1{below_the_pointer}"
    assert exported(instance={key: own})[key] == own


def test_the_queues_are_of_the_release_that_the_image_is_based_on() -> None:
    source = {"stack_version": "v6.70.0-rc1", "name": None, "owner": None}
    ubuntu = {"stack_distribution": "ubuntu2404", "user": "ubuntu"}
    values = exported(source={**source, **ubuntu})
    assert (values["stack_version"], values["stack_distribution"]) == ("v6.70.0-rc1", "ubuntu2404")


def test_an_image_of_another_source_has_no_queues() -> None:
    source = {"stack_version": None, "id": "ami-0123456789abcdef0"}
    assert exported(source=source)["stack_version"] is None


def test_the_queues_machines_boot_with_the_fleets_environment() -> None:
    given = {"DOCKER_NETWORKING_PROTOCOL": "dualstack", "BUILDKITE_MOUNT_TMPFS_AT_TMP": "false"}
    assert exported(fleet={"environment": given})["stack_parameters"] == {
        "DockerNetworkingProtocol": "dualstack",
        "MountTmpfsAtTmp": "false",
    }
    assert exported()["stack_parameters"] == {}


def test_a_variable_that_no_stack_gives_its_machines_is_named() -> None:
    with pytest.raises(SpecError, match=r"fleet\.environment\.SWAP_GIB: no parameter"):
        exported(fleet={"environment": {"SWAP_GIB": "8"}})


def test_the_fleets_own_instance_types_come_first() -> None:
    assert exported()["instance_types"] == ["m6in.8xlarge", "m7i.8xlarge", "m6i.8xlarge"]
    assert exported(fleet={"instance_types": ["c7i.large"]})["instance_types"] == ["c7i.large"]
