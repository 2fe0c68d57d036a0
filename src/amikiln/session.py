"""What every stage is given beside its records: a cloud, and ways to wait, report and log in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from amikiln.aws.connect import Cloud
from amikiln.aws.errors import is_passing
from amikiln.runtime.guest import Guest, Login
from amikiln.runtime.progress import Reporter
from amikiln.runtime.wait import Waiter


@dataclass(frozen=True)
class Session:
    """What one run works with; it is passed along and never stored globally.

    Attributes:
        cloud: Where to work: AWS, or another cloud with its API.
        report: What is going on is written here.
        waiter: Waits for conditions, and adds up how long that took.
        connect: Prepares logging in to a machine over ssh.
        secrets: The warm build's secrets by their ids; they are sent to the machine's memory only.
        lease_wait_seconds: How long to wait for another run of the same image to end.
    """

    cloud: Cloud
    report: Reporter
    waiter: Waiter
    connect: Callable[[Login], Guest]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    lease_wait_seconds: float = 0

    def __post_init__(self) -> None:
        """Let every wait of the run outlast what says nothing about what is waited for."""
        self.waiter.outlast(is_passing)

    def mask(self, text: str) -> str:
        """Return a text with the secrets' values replaced: a build may print what it was given."""
        for value in self.secrets.values():
            for part in value.splitlines():
                if part.strip():
                    text = text.replace(part.strip(), "***")
        return text
