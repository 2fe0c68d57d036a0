"""What somebody who uses machines of a kind should know about them, in one line each."""

from __future__ import annotations

from amikiln_localcloud.machines.container import scope
from amikiln_localcloud.machines.container.cgroups import Hierarchies

TRUST = "root in a machine is root on this host: run only images that you would run with sudo"


def describe_limits(kind: str) -> tuple[str, ...]:
    """Return what does not hold for machines of a kind on this host."""
    if kind != "container":
        return ()
    notes = [TRUST]
    hierarchies = Hierarchies.of_this_host()
    unlimited = [
        what
        for what, limits in (
            ("memory", hierarchies is not None and hierarchies.limits_memory),
            ("number of processes", hierarchies is not None and hierarchies.limits_processes),
            (
                "access to devices",
                scope.is_used() or (hierarchies is not None and hierarchies.limits_devices),
            ),
        )
        if not limits
    ]
    if unlimited:
        notes.append(
            f"a machine's {' and '.join(unlimited)} is not limited: this host's control groups"
            " have no controller for it"
        )
    return tuple(notes)
