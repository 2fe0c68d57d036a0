"""terraform/aws is valid, and its modules' own tests pass."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from terraform.conftest import Terraform


@pytest.mark.parametrize("module", ["account", "queues"])
def test_a_modules_own_tests_pass(module: str, copy_of: Callable[[str], Terraform]) -> None:
    terraform = copy_of(f"modules/{module}")
    terraform.get_ready()
    said = terraform("test", "-no-color")
    assert "Success!" in said
    assert " 0 passed" not in said


def test_the_root_without_buildkite_is_valid(copy_of: Callable[[str], Terraform]) -> None:
    terraform = copy_of(".")
    (terraform.folder / "buildkite.tf").unlink()
    terraform.get_ready()
    terraform("validate", "-no-color")


@pytest.mark.parametrize("folder", ["modules/buildkite", "."])
def test_with_buildkite_it_is_valid(folder: str, copy_of: Callable[[str], Terraform]) -> None:
    terraform = copy_of(folder)
    if not terraform.installs:
        pytest.skip("Buildkite's provider cannot be had where Terraform's registry cannot")
    terraform.get_ready()
    terraform("validate", "-no-color")
