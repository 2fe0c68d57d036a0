"""Whether the credentials in use last as long as a run may take."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from amikiln.aws.credentials import describe_life
from amikiln.model.plan import Plan
from amikiln.session import Session


def check_credentials(plan: Plan, session: Session) -> Iterator[str]:
    """Yield why the credentials would strand a run half-way; report what is not known.

    Those that are renewed by themselves are no fault, and neither are those that do not say when
    they end.
    """
    life, needed = describe_life(session.cloud.credentials), plan.longest_run.minutes
    if life is None or not life.is_temporary:
        return
    if life.is_renewed:
        session.report.line(f"the credentials ({life.source}) are renewed when they end")
    elif life.ends is None:
        session.report.line(
            f"the credentials ({life.source}) are temporary and do not say when they end:"
            f" a run may need them for {needed} minutes"
        )
    else:
        minutes = int((life.ends - datetime.now(UTC)).total_seconds() // 60)
        session.report.line(f"the credentials last for {minutes} minutes more")
        if minutes < needed:
            yield (
                f"the credentials ({life.source}) end in {minutes} minutes, and by the spec's"
                f" deadlines a run may need {needed}: use ones that are renewed by themselves (a"
                " profile, a role), log in for longer, or lower [deadlines]"
            )
