"""What an Elastic CI Stack gives its machines at boot: the variables of its boot scripts.

Its template's user data runs two scripts of the image before the one that starts the agent, each
with some variables that stand for the stack's parameters. Names and defaults are of v6.71.1;
earlier releases read fewer of them: https://github.com/buildkite/elastic-ci-stack-for-aws
(templates/aws-stack.yml, packer/linux/stack/conf/bin).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from amikiln.spec.machine import BOOT_KEYS, Fleet

MOUNT_SCRIPT = "bk-mount-instance-storage.sh"
DOCKER_SCRIPT = "bk-configure-docker.sh"


@dataclass(frozen=True)
class BootVariable:
    """A variable of the boot scripts.

    Attributes:
        parameter: The stack's parameter that it stands for.
        default: That parameter's.
        scripts: Those that get it; none: only jobs do, from the environment hook's file.
    """

    parameter: str
    default: str
    scripts: tuple[str, ...] = (DOCKER_SCRIPT,)


VARIABLES: Mapping[str, BootVariable] = {
    "BUILDKITE_ENABLE_INSTANCE_STORAGE": BootVariable(
        "EnableInstanceStorage", "false", (MOUNT_SCRIPT, DOCKER_SCRIPT)
    ),
    "BUILDKITE_MOUNT_TMPFS_AT_TMP": BootVariable("MountTmpfsAtTmp", "true", (MOUNT_SCRIPT,)),
    "DOCKER_USERNS_REMAP": BootVariable("EnableDockerUserNamespaceRemap", "true"),
    "DOCKER_EXPERIMENTAL": BootVariable("EnableDockerExperimental", "false"),
    "DOCKER_PRUNE_UNTIL": BootVariable("DockerPruneUntil", "4h"),
    "ENABLE_PRE_EXIT_DISK_CLEANUP": BootVariable("EnablePreExitDiskCleanup", "false"),
    "DOCKER_BUILDER_PRUNE_ENABLED": BootVariable("DockerBuilderPruneEnabled", "false"),
    # v6.71.1's script ends with an error without it.
    "DOCKER_NETWORKING_PROTOCOL": BootVariable("DockerNetworkingProtocol", "ipv4"),
    "DOCKER_IPV4_ADDRESS_POOL_1": BootVariable("DockerIPv4AddressPool1", "172.17.0.0/12"),
    "DOCKER_IPV4_ADDRESS_POOL_2": BootVariable("DockerIPv4AddressPool2", "192.168.0.0/16"),
    "DOCKER_IPV6_ADDRESS_POOL": BootVariable("DockerIPv6AddressPool", "2001:db8:2::/104"),
    "DOCKER_FIXED_CIDR_V4": BootVariable("DockerFixedCidrV4", ""),
    "DOCKER_FIXED_CIDR_V6": BootVariable("DockerFixedCidrV6", "2001:db8:1::/64"),
    "BUILDKITE_PURGE_BUILDS_ON_DISK_FULL": BootVariable(
        "BuildkitePurgeBuildsOnDiskFull", "false", ()
    ),
    "BUILDKITE_TERMINATE_INSTANCE_ON_DISK_FULL": BootVariable(
        "BuildkiteTerminateInstanceOnDiskFull", "false", ()
    ),
}
"""By the variable's name, in the order in which the template has them."""


def list_environment(fleet: Fleet, script: str | None = None) -> dict[str, str]:
    """Return the variables that a fleet's machines have at boot, with their values.

    Args:
        fleet: Whose machines.
        script: What one boot script gets, ``fleet.environment`` included; None: all there are.
    """
    values = {
        name: variable.default
        for name, variable in VARIABLES.items()
        if script is None or script in variable.scripts
    }
    for name, key in BOOT_KEYS.items():
        if name in values:
            values[name] = str(getattr(fleet, key)).lower()
    for name, text in fleet.environment.items():
        # Of a name that is nobody's here, the scripts alone know what it means.
        if name in values or name not in VARIABLES:
            values[name] = text
    return values


def list_parameters(fleet: Fleet) -> dict[str, str]:
    """Return the stack's parameters that ``fleet.environment`` stands for.

    Raises:
        KeyError: The first of its variables that no parameter of the stack sets.
    """
    return {VARIABLES[name].parameter: value for name, value in fleet.environment.items()}
