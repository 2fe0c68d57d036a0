"""The machine as a whole: it booted, and has what builds need."""

from __future__ import annotations

from amikiln.checks.finding import Finding, Subject
from amikiln.model import Outcome


def boot_finished(subject: Subject) -> Finding:
    """The system came up whole: no unit failed."""
    state = subject.ask("systemctl is-system-running --wait || true")
    if state == "running":
        return Outcome.PASS, "all units are up", ""
    failed = subject.ask("systemctl list-units --failed --plain --no-legend")
    names = ", ".join(line.split()[0] for line in failed.splitlines() if line.strip())
    return (
        Outcome.FAIL,
        f"the system is {state}; failed units: {names or 'none'}",
        "`journalctl -u UNIT` on the machine says why",
    )
