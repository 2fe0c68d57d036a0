"""Whether the credentials in use last long enough for a command, and what happens if not.

Those that are renewed by themselves do. Of the others only the end is known, and how long a run
takes is not: too little for any is a fault, less than the deadlines allow is a warning. What a run
that outlives its credentials leaves is bounded: its machines end themselves then, and the next run
removes the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from amikiln.aws.credentials import describe_life
from amikiln.catalog.images import list_images
from amikiln.model.plan import Command, Plan
from amikiln.session import Session

WHAT_THEN = (
    "if they end first, the run fails: its machine ends itself then, an image that EC2 has begun is"
    " kept, and the next run takes that up and removes the rest"
)


def check_credentials(plan: Plan, command: Command, session: Session) -> Iterator[str]:
    """Yield why no such command can succeed with the credentials; report how long they last.

    Args:
        plan: What is to be done.
        command: By which command.
        session: Has the credentials.
    """
    life, longest = describe_life(session.cloud.credentials), plan.longest(command).minutes
    if life is None or not life.is_temporary:
        return
    minutes = life.minutes_left()
    if life.is_renewed:
        session.report.line(f"the credentials ({life.source}) are renewed when they end")
    elif life.ends is None or minutes is None:
        session.report.line(
            f"warning: the credentials ({life.source}) are temporary and do not say when they end;"
            f" by the spec's deadlines `{command}` may need {_say(longest)}; {WHAT_THEN}"
        )
    else:
        ends = f"the credentials ({life.source}) end at {life.ends:%Y-%m-%d %H:%M} UTC"
        left = f"in {_say(minutes)}" if minutes >= 0 else "in the past"
        least, why = _find_least(plan, command, session)
        if minutes < least:
            yield (
                f"{ends}, {left}, and `{command}` needs {_say(least)} at least: {why}; log in for"
                " longer, or use credentials that are renewed by themselves (a profile, a role)"
            )
        elif minutes < longest:
            session.report.line(
                f"warning: {ends}, {left}; by the spec's deadlines `{command}` may need"
                f" {_say(longest)}; {WHAT_THEN}"
            )
        else:
            session.report.line(f"{ends}, {left}: longer than `{command}` may take")


def _find_least(plan: Plan, command: Command, session: Session) -> tuple[int, str]:
    """Return in how many minutes the command cannot be done, and why."""
    boot = 2 * plan.spec.deadlines.boot_seconds // 60
    least = boot, "a machine may need that to boot (twice deadlines.boot_seconds)"
    if command == "verify":
        return least
    images = list_images(plan.spec.name, session)
    if any(image.digest == plan.digest for image in images):
        return least  # there may be nothing to bake
    times = [time for image in images if (time := image.bake_time()) is not None]
    shortest = int(min(times, default=timedelta()).total_seconds() // 60)
    return max(least, (shortest, "no bake whose image is still there took less"))


def _say(minutes: int) -> str:
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
