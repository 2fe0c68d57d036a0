"""The checks that lie beside the spec, in ``checks/NAME.sh``."""

from __future__ import annotations

from amikiln.runtime.guest import GuestCommandFailed
from amikiln.verify.checks.finding import Check, Finding, Subject, failed, passed, unknown

COULD_NOT_LOOK = 75
"""EX_TEMPFAIL of sysexits(3): the exit code of a check that could not find out."""


def own_check(name: str, script: bytes) -> Check:
    """Return a user's check: a shell script that passes if it exits with 0.

    Args:
        name: Its file's name without the ending.
        script: Its text; it runs as root, and its last line is the evidence.
    """

    def look(subject: Subject) -> Finding:
        try:
            output = subject.guest.run(
                "sh -eu -s 2>&1 || exit $?",
                input=script,
                timeout_seconds=subject.plan.spec.deadlines.step_seconds,
            )
        except GuestCommandFailed as error:
            evidence = f"{_last_line(error.tail) or 'no output'} (exit code {error.exit_code_seen})"
            # Without an exit code the script did not end: the login broke, or time ran out.
            finding = unknown if error.exit_code_seen in (COULD_NOT_LOOK, None) else failed
            return finding(evidence, f"see checks/{name}.sh")
        return passed(_last_line(output) or "exit code 0")

    return Check(f"own-{name}", look)


def _last_line(text: str) -> str:
    return text.strip().rsplit("\n", 1)[-1]
