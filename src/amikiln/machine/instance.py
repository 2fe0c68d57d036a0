"""A machine that lives for one stage: bake and verify both boot one and log in to it."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from amikiln.aws.errors import AwsFailure, explain
from amikiln.aws.instances import GONE, InstanceRecord, Launch, NoCapacity
from amikiln.catalog.tags import tags_for_run, tags_of_kept_instance
from amikiln.errors import AmikilnError
from amikiln.machine import keys as key_making
from amikiln.machine.user_data import END_UNIT, user_data
from amikiln.model.plan import Plan
from amikiln.model.run import Run
from amikiln.runtime.cleanup import Undo
from amikiln.runtime.guest import Guest, GuestUnreachable, Login
from amikiln.session import Session
from amikiln.spec.machine import Volume
from amikiln.spec.spec import Spec

CONSOLE_LINES = 15


class MachineEnded(AmikilnError):
    """A machine that was needed is not running any more."""


@dataclass(frozen=True)
class TemporaryMachine:
    """A booted machine, logged in to."""

    instance_id: str
    address: str
    keys: key_making.Keys
    guest: Guest


def start(
    session: Session,
    plan: Plan,
    run: Run,
    undo: Undo,
    *,
    purpose: str,
    image_id: str,
    like_the_fleets: bool = False,
) -> TemporaryMachine:
    """Boot an image with keys and a security group of its own, and log in.

    Args:
        session: Where to.
        plan: What the machine is to be like.
        run: Whose machine it is.
        undo: Takes back all that is made here.
        purpose: A word for names and tags, as "bake".
        image_id: What to boot.
        like_the_fleets: With the instance types and metadata options of the fleet's machines, and
            still without their role and their agent: it can take no job.

    Raises:
        MachineEnded: It ended before one could log in.
        DeadlinePassed: It did not come up in time; says what ssh said last.
    """
    access, spec = session.cloud.network, plan.spec
    name = f"amikiln-{run.id}-{purpose}"
    tags = {**tags_for_run(plan, run), "Name": name}

    directory = Path(tempfile.mkdtemp(prefix="amikiln-"))
    undo.add(f"the run's ssh keys in {directory}", lambda: shutil.rmtree(directory))
    keys = key_making.make(directory)

    # Each removal is registered before the call that makes the thing, and finds it by its name:
    # an answer that is lost on its way leaves nothing behind either.
    undo.add(f"key pair {name}", lambda: _delete_key_pairs(session, name))
    access.import_key_pair(name, keys.public(keys.ours), tags)

    network = plan.network
    group_id = network.security_group_id
    if group_id is None:
        undo.add(f"security group {name}", lambda: _delete_groups(session, name))
        group_id = access.create_security_group(
            name, network.subnet_ids[0], network.ssh_from or "", tags
        )

    wanted = Launch(
        image_id=image_id,
        type="",
        subnet_id=network.subnet_ids[0],
        security_group_id=group_id,
        key_name=name,
        user_data=user_data(keys, spec.deadlines.machine_minutes),
        root_device=plan.source.root_device,
        volume=volume_mapping(spec.volume),
        tags=tags,
        token="",
        metadata_hop_limit=spec.fleet.metadata_hop_limit if like_the_fleets else 1,
    )
    undo.add(f"instance {name}", lambda: _end_instances(session, name))
    types = plan.fleet_types if like_the_fleets else plan.instance_types
    instance_id = _launch_where_there_is_room(wanted, types, plan.network.subnet_ids, session)

    address, guest = _log_in(session, spec, instance_id, keys)
    undo.add(f"ssh connection to {instance_id}", guest.leave)
    return TemporaryMachine(instance_id, address, keys, guest)


def _end_instances(session: Session, name: str) -> None:
    for instance in session.cloud.instances.find_by_tags({"Name": name}):
        end(session, instance.id)


def _delete_key_pairs(session: Session, name: str) -> None:
    for found, _ in session.cloud.network.find_key_pairs({"Name": name}):
        session.cloud.network.delete_key_pair(found)


def _delete_groups(session: Session, name: str) -> None:
    for group_id, _ in session.cloud.network.find_security_groups({"Name": name}):
        session.cloud.network.delete_security_group(group_id)


def _launch_where_there_is_room(
    wanted: Launch, types: Sequence[str], subnet_ids: Sequence[str], session: Session
) -> str:
    refusals = []
    for type_ in types:
        for subnet_id in subnet_ids:
            # A token belongs to its call's arguments: each type and zone needs one of its own.
            token = hashlib.sha256(f"{wanted.key_name} {type_} {subnet_id}".encode()).hexdigest()
            launch = replace(wanted, type=type_, subnet_id=subnet_id, token=token)
            try:
                instance_id = session.cloud.instances.launch(launch)
            except NoCapacity as error:
                session.report.line(f"no capacity for {type_} in {subnet_id}: trying the next")
                refusals.append(f"{type_} in {subnet_id}: {error}")
                continue
            session.report.line(f"instance {instance_id} ({type_}) launched from {wanted.image_id}")
            return instance_id
    raise MachineEnded(
        "no capacity for any of the instance types in any zone:\n" + "\n".join(refusals),
        hint="add more types to instance.types or fleet.instance_types, or try again later",
    )


def keep(machine: TemporaryMachine, plan: Plan, session: Session, undo: Undo) -> None:
    """Leave a machine as it is, for somebody to look at, and say how to get in and rid of it.

    Its timer is cancelled, and its tag keeps the sweep of later runs away.
    """
    instance_id, keys = machine.instance_id, machine.keys
    session.cloud.instances.tag(instance_id, tags_of_kept_instance())
    try:
        machine.guest.run(f"systemctl stop {END_UNIT}.timer", timeout_seconds=60)
    except AmikilnError as error:
        session.report.line(f"its timer could not be cancelled: {error}")
    machine.guest.leave()
    undo.cancel_all()
    session.report.line(
        f"kept {instance_id}. Log in:\n"
        f"  ssh -i {keys.ours} -o UserKnownHostsFile={keys.directory}/known_hosts"
        f" {plan.spec.source.user}@{machine.address}\n"
        "Remove it, and with the next run its key pair and group:\n"
        f"  aws ec2 terminate-instances --region {session.cloud.region}"
        f" --instance-ids {instance_id}; rm -r {keys.directory}"
    )


def end(session: Session, instance_id: str) -> None:
    """Terminate a machine and wait until it is gone: its security group can only go after it."""
    session.cloud.instances.terminate(instance_id)

    def gone() -> bool | None:
        record = session.cloud.instances.get(instance_id)
        return True if record is None or record.state == "terminated" else None

    session.waiter.until(gone, what=f"instance {instance_id} to be gone", deadline_seconds=600)


def stop(session: Session, instance_id: str, deadline_seconds: float) -> None:
    """Stop a machine by StopInstances (a shutdown from inside would terminate it), and wait.

    Raises:
        MachineEnded: It was terminated instead.
        DeadlinePassed: It did not stop in time.
    """
    session.cloud.instances.stop(instance_id)

    def stopped() -> bool | None:
        return True if _alive(session, instance_id).state == "stopped" else None

    session.waiter.until(
        stopped, what=f"instance {instance_id} to stop", deadline_seconds=deadline_seconds
    )


def volume_mapping(volume: Volume) -> dict[str, Any]:
    """Return a volume in the words of a block device mapping."""
    return {
        "VolumeType": "gp3",
        "VolumeSize": volume.size_gib,
        "Iops": volume.iops,
        "Throughput": volume.throughput_mib,
    }


def _log_in(
    session: Session, spec: Spec, instance_id: str, keys: key_making.Keys
) -> tuple[str, Guest]:
    deadline = spec.deadlines.boot_seconds

    def addressed() -> str | None:
        record = _alive(session, instance_id, may_be_unknown=True)
        return record.address if record.state == "running" else None

    address = session.waiter.until(
        addressed, what=f"instance {instance_id} to run", deadline_seconds=deadline
    )
    guest = session.connect(Login(address, spec.source.user, keys.directory))
    last_answer = "no try yet"

    def logged_in() -> bool | None:
        nonlocal last_answer
        refusal = guest.knock()
        if refusal is None:
            return True
        last_answer = refusal
        _alive(session, instance_id)
        return None

    try:
        session.waiter.until(
            logged_in, what=f"ssh to {instance_id} at {address}", deadline_seconds=deadline
        )
    except AmikilnError as error:
        if isinstance(error, MachineEnded):
            raise
        raise GuestUnreachable(
            f"{error.what}; ssh's last words: {last_answer}\n{_console_tail(session, instance_id)}",
            hint="does the source image run user data, and may one get to the machine's port 22?",
        ) from error
    return address, guest


def _console_tail(session: Session, instance_id: str) -> str:
    """Return the console's last lines, for the instance will soon be gone, or why not."""
    try:
        lines = session.cloud.instances.read_console(instance_id).strip().splitlines()
    except AwsFailure as error:
        return f"its console could not be read: {explain(error)[0]}"
    return "\n".join(["its console's last lines:", *lines[-CONSOLE_LINES:]])


def _alive(session: Session, instance_id: str, *, may_be_unknown: bool = False) -> InstanceRecord:
    record = session.cloud.instances.get(instance_id)
    if record is None and may_be_unknown:
        # EC2 is eventually consistent: a new instance may be unknown for a moment.
        return InstanceRecord(instance_id, "pending", "", None, "", {})
    if record is None or record.state in GONE:
        why = f": {record.reason}" if record and record.reason else ""
        raise MachineEnded(f"instance {instance_id} ended unexpectedly{why}")
    return record
