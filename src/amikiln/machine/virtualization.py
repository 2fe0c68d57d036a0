"""What a machine says it is: which container, or whose virtual machine."""

from __future__ import annotations

import re

from amikiln.recipe.paths import RECIPE_DIRECTORY
from amikiln.runtime.guest import Guest

UNKNOWN = "unknown"
"""The name of a machine that does not say what it is."""

CONTAINERS = frozenset(
    [
        "container-other",
        "docker",
        "lxc",
        "lxc-libvirt",
        "openvz",
        "podman",
        "pouch",
        "proot",
        "rkt",
        "systemd-nspawn",
        "wsl",
    ]
)
"""What is no machine with a kernel of its own, by systemd-detect-virt(1)."""

KERNEL_WORDS = re.compile(
    rb"\buname\s+(-\w*[ar]|--(all|kernel-release))|\b(modprobe|insmod|depmod)\b"
    rb"|(?<![\w.-])(/usr)?/lib/modules\b|(?<![\w.-])/boot\b"
)
"""What in a shell script looks at the running kernel, its modules, or what boots it."""

QUERY_SECONDS = 60


def detect_machine(guest: Guest) -> str:
    """Ask a machine that has the recipe what it is.

    Args:
        guest: The machine; the recipe has been sent to it.

    Returns:
        "qemu" for a machine that is emulated, else what systemd-detect-virt(1) prints.

    Raises:
        GuestUnreachable: The connection failed.
        GuestCommandFailed: The recipe is not there.
    """
    command = f"cd {RECIPE_DIRECTORY} && sh -euc '. ./lib.sh; detect_machine'"
    return guest.run(command, timeout_seconds=QUERY_SECONDS).strip() or UNKNOWN


def is_container(machine: str) -> bool:
    """Tell whether a machine, by its name, boots no kernel and shares its host's."""
    return machine in CONTAINERS


def uses_kernel(script: bytes) -> bool:
    """Tell whether a shell script looks at the running kernel, its modules or /boot."""
    return any(
        KERNEL_WORDS.search(line) and not line.lstrip().startswith(b"#")
        for line in script.splitlines()
    )


def describe_machine(machine: str) -> str:
    """Return a machine's name, and what it means for what was shown on it."""
    if is_container(machine):
        return f"{machine}, a container: the kernel is its host's"
    return "qemu, emulated" if machine == "qemu" else machine
