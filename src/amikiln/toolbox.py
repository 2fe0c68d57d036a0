"""What every stage is given beside its records: a cloud, and ways to wait, talk and log in."""

from __future__ import annotations

from dataclasses import dataclass

from amikiln.aws.session import Cloud
from amikiln.guest import Connect, SshGuest
from amikiln.report import Reporter
from amikiln.wait import Waiter


@dataclass(frozen=True)
class Toolbox:
    """Passed along, never stored globally; tests put pretended tools in."""

    cloud: Cloud
    report: Reporter
    waiter: Waiter
    connect: Connect = SshGuest
