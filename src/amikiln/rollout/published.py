"""Roll out what the pointer names: the command of its own, whatever run published it."""

from __future__ import annotations

from amikiln.aws.errors import AwsFailure, convert
from amikiln.catalog.pointer import Pointer
from amikiln.errors import RolloutError
from amikiln.model.fleet import FleetGroup
from amikiln.rollout.rollout import roll_out
from amikiln.runtime.wait import DeadlinePassed
from amikiln.session import Session
from amikiln.spec.spec import Spec


def roll_out_published(
    spec: Spec, session: Session, wait_seconds: float = 0
) -> tuple[FleetGroup, ...]:
    """See that the fleet follows the pointer; wait until all machines run what it names.

    Args:
        spec: Names the pointer and the groups.
        session: Where they are.
        wait_seconds: How many seconds to wait; 0: look once.

    Raises:
        RolloutError: Nothing is published, machines do not follow it, or nobody can tell.
    """
    try:
        pointer = Pointer(spec, session).read()
        if pointer is None:
            raise RolloutError(
                f"{spec.pointer} names no image yet", hint="`amikiln run` publishes one"
            )
        return roll_out(spec, pointer.value, session, wait_seconds=wait_seconds)
    except DeadlinePassed as error:
        raise RolloutError(
            error.what, hint="machines are replaced when their jobs end: wait longer"
        ) from error
    except AwsFailure as error:
        raise convert(error, RolloutError, session.cloud.region) from error
