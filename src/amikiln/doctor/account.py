"""The account: whose credentials are used, where, and for how long."""

from __future__ import annotations

from collections.abc import Iterator

from amikiln.aws.connect import AWS, Cloud
from amikiln.aws.credentials import describe_life
from amikiln.doctor.finding import Found, Level


def look_at_account(cloud: Cloud) -> Iterator[Found]:
    """Yield who the caller is, and how long the credentials last.

    Args:
        cloud: One that answered.
    """
    where = "AWS" if cloud.name == AWS else f"the local cloud at {cloud.endpoint}"
    says = f"{cloud.caller}, account {cloud.account}, region {cloud.region}, on {where}"
    yield Found("credentials", Level.OK, says)
    life = describe_life(cloud.credentials)
    if life is None or not life.is_temporary:
        return
    minutes = life.minutes_left()
    if life.is_renewed:
        yield Found("lifetime", Level.OK, f"renewed when they end ({life.source})")
    elif minutes is None:
        says = f"cannot tell: they are temporary, and do not say when they end ({life.source})"
        yield Found("lifetime", Level.WARNING, says, "a profile or a role is renewed by itself")
    else:
        yield Found("lifetime", Level.OK, f"{minutes} minutes more ({life.source})")
