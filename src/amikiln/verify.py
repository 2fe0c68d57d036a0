"""Verify: a fresh machine boots from the candidate and is looked at. No image is believed."""

from __future__ import annotations

from amikiln import checks, temporary
from amikiln.model import (
    TAG_VERDICT,
    TAG_VERDICT_HASH,
    CheckResult,
    Image,
    Outcome,
    Plan,
    Run,
    Verdict,
)
from amikiln.toolbox import Toolbox
from amikiln.undo import Undo

MARKS = {Outcome.PASS: "ok  ", Outcome.FAIL: "FAIL", Outcome.UNKNOWN: "??  "}


def verify(image: Image, plan: Plan, run: Run, tools: Toolbox) -> Verdict:
    """Boot an image on a machine of its own and carry out all checks.

    Args:
        image: The candidate.
        plan: What it was to become.
        run: Whose machine it is.
        tools: Where to boot it.

    Returns:
        The verdict, whatever it is; its result and its hash are tagged on the image.

    Raises:
        AmikilnError: The candidate did not boot, or nobody could log in.
    """
    with Undo(tools.report) as undo:
        machine = temporary.start(tools, plan, run, undo, purpose="verify", image_id=image.id)
        subject = checks.Subject(machine.guest, plan)
        results = []
        for check in checks.ALL:
            with tools.waiter.span(f"check {check.__name__.replace('_', '-')}"):
                result = checks.carry_out(check, subject)
            results.append(result)
            tools.report.line(described(result))
    verdict = Verdict(image.id, plan.digest, tools.cloud.region, run.id, tuple(results))
    tools.cloud.images.tag(
        image.id, {TAG_VERDICT: verdict.outcome, TAG_VERDICT_HASH: verdict.sha256}
    )
    return verdict


def described(result: CheckResult) -> str:
    """Return a check's result in one line, and its hint if there is need for one."""
    line = f"{MARKS[result.outcome]} {result.name}: {result.evidence}"
    return line + (f" -- {result.hint}" if result.hint else "")
