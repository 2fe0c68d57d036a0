"""What the boot scripts of an Elastic CI Stack get, and which parameters of the stack give it."""

from __future__ import annotations

from amikiln.spec import stack_boot
from amikiln.spec.machine import Fleet


def test_the_defaults_are_the_stacks_but_for_what_the_spec_has_keys_for() -> None:
    found = stack_boot.list_environment(Fleet(), stack_boot.DOCKER_SCRIPT)
    assert found["DOCKER_NETWORKING_PROTOCOL"] == "ipv4"
    assert found["DOCKER_USERNS_REMAP"] == "false"
    assert found["BUILDKITE_ENABLE_INSTANCE_STORAGE"] == "false"
    assert "BUILDKITE_MOUNT_TMPFS_AT_TMP" not in found


def test_each_script_gets_its_own_and_what_nobody_here_knows() -> None:
    fleet = Fleet(
        instance_storage=True,
        environment={"DOCKER_EXPERIMENTAL": "true", "SWAP_GIB": "8"},
    )
    assert stack_boot.list_environment(fleet, stack_boot.MOUNT_SCRIPT) == {
        "BUILDKITE_ENABLE_INSTANCE_STORAGE": "true",
        "BUILDKITE_MOUNT_TMPFS_AT_TMP": "true",
        "SWAP_GIB": "8",
    }
    found = stack_boot.list_environment(fleet, stack_boot.DOCKER_SCRIPT)
    assert (found["DOCKER_EXPERIMENTAL"], found["SWAP_GIB"]) == ("true", "8")


def test_jobs_get_what_no_boot_script_does() -> None:
    name = "BUILDKITE_PURGE_BUILDS_ON_DISK_FULL"
    assert stack_boot.list_environment(Fleet(environment={name: "true"}))[name] == "true"
