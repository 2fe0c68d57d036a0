"""The groups that follow the pointer, and their machines."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FleetMachine:
    """A machine of an Auto Scaling group."""

    id: str
    image_id: str
    state: str
    address: str | None


@dataclass(frozen=True)
class FleetGroup:
    """An Auto Scaling group, and how many of its machines run the published image."""

    group: str
    image_id: str
    launch_image: str
    """What it launches: an AMI id, or ``resolve:ssm:`` and a parameter. Of several, as overrides
    of a mixed instances policy may name them, one that is not the pointer."""
    follows: bool
    """Whether all that it launches from names the pointer, so that new machines get it."""
    desired: int
    machines: tuple[FleetMachine, ...]
    launch_source: str = "launch template"
    """Where ``launch_image`` is said."""

    @property
    def outdated(self) -> tuple[FleetMachine, ...]:
        """The machines that run another image."""
        return tuple(machine for machine in self.machines if machine.image_id != self.image_id)

    @property
    def done(self) -> bool:
        """Whether as many machines as wanted are running, all of them the published image."""
        current = [m for m in self.machines if m not in self.outdated and m.state == "running"]
        return not self.outdated and len(current) >= self.desired


@dataclass(frozen=True)
class Fleet:
    """What a spec's ``[fleet]`` led to.

    Attributes:
        groups: The groups that exist.
        missing: What led to none, in words.
    """

    groups: tuple[FleetGroup, ...]
    missing: tuple[str, ...]
