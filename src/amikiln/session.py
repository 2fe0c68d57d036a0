"""What every stage is given beside its records: a cloud, and ways to wait, talk and log in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from amikiln.aws.connect import Cloud
from amikiln.machine.ssh import Connect, SshGuest
from amikiln.runtime.progress import Reporter
from amikiln.runtime.wait import Waiter


@dataclass(frozen=True)
class Session:
    """Passed along, never stored globally; tests make one of fakes."""

    cloud: Cloud
    report: Reporter
    waiter: Waiter
    connect: Connect = SshGuest
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The warm build's secrets by their ids; they go nowhere but into the machine's memory."""
    lease_wait_seconds: float = 0
    """How long to wait for another run's lease."""

    def masked(self, text: str) -> str:
        """Return a text without the secrets' values: a build may print what it was given."""
        for value in self.secrets.values():
            for part in value.splitlines():
                if part.strip():
                    text = text.replace(part.strip(), "***")
        return text
