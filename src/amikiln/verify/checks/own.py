"""The checks that lie beside the spec, in ``checks/NAME.sh``."""

from __future__ import annotations

from amikiln.model.verdict import Outcome
from amikiln.runtime.guest import GuestCommandFailed
from amikiln.verify.checks.finding import Check, Finding, Subject

CANNOT_TELL = 75
"""EX_TEMPFAIL of sysexits(3): what a check exits with that could not look."""


def own_check(name: str, script: bytes) -> Check:
    """Return a user's check: a shell script that passes if it exits with 0.

    Args:
        name: Its file's name without the ending.
        script: Its text; it runs as root, and its last line is the evidence.
    """

    def check(subject: Subject) -> Finding:
        try:
            said = subject.guest.run(
                "sh -eu -s 2>&1 || exit $?",
                input=script,
                timeout_seconds=subject.plan.spec.deadlines.step_seconds,
            )
        except GuestCommandFailed as error:
            unknown = error.exit_code_seen in (CANNOT_TELL, None)
            return (
                Outcome.UNKNOWN if unknown else Outcome.FAIL,
                f"{_last_line(error.tail) or 'no output'} (exit code {error.exit_code_seen})",
                f"see checks/{name}.sh",
            )
        return Outcome.PASS, _last_line(said) or "exit code 0", ""

    check.__name__ = f"own_{name}"
    return check


def _last_line(text: str) -> str:
    return text.strip().rsplit("\n", 1)[-1]
