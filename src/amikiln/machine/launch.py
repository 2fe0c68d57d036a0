"""Launches a machine where EC2 has room for it, and waits until it runs."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import product

from amikiln.aws.capacity import Elsewhere, NoCapacity, find_early_end
from amikiln.aws.instances import GONE, InstanceRecord
from amikiln.aws.launch import Launch
from amikiln.errors import AmikilnError
from amikiln.model.plan import MachineRequest
from amikiln.session import Session


class MachineEnded(AmikilnError):
    """A machine that was needed is not running any more."""


def launch_where_there_is_room(
    launch: Launch, request: MachineRequest, session: Session
) -> tuple[str, str]:
    """Launch a machine in the first zone, and as the first type, where it runs.

    A launch that EC2 accepted may still find no room: the instance then ends before it runs.

    Args:
        launch: What to launch; its type, subnet and token are chosen here.
        request: Has the types and subnets, in order of preference.
        session: Where.

    Returns:
        Its id, and the address to log in at.

    Raises:
        MachineEnded: There is room nowhere, or it ended; the error says why for each try.
        DeadlinePassed: It did not run in time.
    """
    refusals: list[str] = []
    full_types: set[str] = set()
    full_subnets: set[str] = set()
    for type_, subnet_id in product(request.instance_types, request.network.subnet_ids):
        if type_ in full_types or subnet_id in full_subnets:
            continue
        # A token belongs to its call's arguments: each type and zone needs one of its own.
        token = hashlib.sha256(f"{launch.key_name} {type_} {subnet_id}".encode()).hexdigest()
        here = replace(launch, type=type_, subnet_id=subnet_id, token=token)
        try:
            return _launch_here(here, request, session)
        except NoCapacity as error:
            refusals.append(f"{type_} in {subnet_id}: {error}")
            if error.elsewhere is Elsewhere.NOWHERE:
                raise MachineEnded(f"cannot launch {type_} in {subnet_id}: {error}") from error
            if error.elsewhere is Elsewhere.TYPE:
                full_types.add(type_)
            if error.elsewhere is Elsewhere.ZONE:
                full_subnets.add(subnet_id)
            where = error.elsewhere.value
            session.report.line(f"no room for {type_} in {subnet_id}: {error}; tried {where}")
    raise MachineEnded(
        "no capacity for any of the instance types in any zone:\n" + "\n".join(refusals),
        hint="add more types to instance.types or fleet.instance_types, or subnets; raise the"
        " quotas that are named; or try again later",
    )


def require_alive(session: Session, instance_id: str) -> InstanceRecord:
    """Return what EC2 says of an instance.

    Raises:
        MachineEnded: It is gone.
    """
    record = session.cloud.instances.get(instance_id)
    if record is None or record.state in GONE:
        raise _explain_end(instance_id, record)
    return record


def _explain_end(instance_id: str, record: InstanceRecord | None) -> MachineEnded:
    why = f": {record.reason}" if record and record.reason else ""
    return MachineEnded(f"instance {instance_id} ended unexpectedly{why}")


def _launch_here(launch: Launch, request: MachineRequest, session: Session) -> tuple[str, str]:
    instance_id = session.cloud.instances.launch(launch)
    session.report.line(f"instance {instance_id} ({launch.type}) launched from {launch.image_id}")

    def find_address() -> str | None:
        record = session.cloud.instances.get(instance_id)
        if record is None or record.state in GONE:
            if record and (early := find_early_end(record.reason_code, record.reason)):
                raise early
            raise _explain_end(instance_id, record)
        return _choose_address(record, request)

    address = session.waiter.until(
        find_address, what=f"instance {instance_id} to run", deadline_seconds=request.boot_seconds
    )
    return instance_id, address


def _choose_address(record: InstanceRecord, request: MachineRequest) -> str | None:
    if record.state != "running":
        return None
    # Session Manager finds an instance by its id.
    return {
        "public": record.public_address,
        "private": record.private_address,
        "session-manager": record.id,
    }[request.network.connect]
