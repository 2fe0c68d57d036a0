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
    """What its launch template names: an AMI id, or ``resolve:ssm:`` and a parameter."""
    follows: bool
    """Whether that is the pointer, so that new machines get what is published."""
    desired: int
    machines: tuple[FleetMachine, ...]

    @property
    def outdated(self) -> tuple[FleetMachine, ...]:
        """The machines that run another image."""
        return tuple(machine for machine in self.machines if machine.image_id != self.image_id)

    @property
    def done(self) -> bool:
        """Whether as many machines as wanted are running, all of them the published image."""
        current = [m for m in self.machines if m not in self.outdated and m.state == "running"]
        return not self.outdated and len(current) >= self.desired
