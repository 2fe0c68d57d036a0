"""An instance for one stage: bake and verify each boot one and log in to it."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amikiln.aws.credentials import describe_life
from amikiln.aws.errors import AwsFailure, explain
from amikiln.aws.launch import Launch
from amikiln.catalog.tags import tags_for_run, tags_of_kept_instance
from amikiln.errors import AmikilnError
from amikiln.machine.keys import Keys, make_keys
from amikiln.machine.launch import MachineEnded, launch_where_there_is_room, require_alive
from amikiln.machine.user_data import END_UNIT, render_user_data
from amikiln.model.plan import MachineRequest
from amikiln.model.run import Run
from amikiln.runtime.cleanup import Undo
from amikiln.runtime.directories import make_scratch_directory
from amikiln.runtime.guest import Guest, GuestUnreachable, Login
from amikiln.session import Session
from amikiln.spec.machine import Volume

CONSOLE_LINES = 15


@dataclass(frozen=True)
class TemporaryMachine:
    """A booted machine that we are logged in to.

    Attributes:
        name: The name of everything that was made for it.
        instance_id: Its id in EC2.
        login: How it was logged in to.
        keys: The keys for it, which no other machine has.
        guest: Runs commands in it.
    """

    name: str
    instance_id: str
    login: Login
    keys: Keys
    guest: Guest


def start(session: Session, request: MachineRequest, run: Run, undo: Undo) -> TemporaryMachine:
    """Boot an image with keys of its own, and log in.

    Args:
        session: Where to launch it.
        request: What it is to be like.
        run: Whose machine it is.
        undo: Takes back all that is made here.

    Raises:
        MachineEnded: There is no capacity for it, or it ended before we could log in.
        GuestUnreachable: It did not let us log in in time; the error quotes ssh and the console.
    """
    network, where = session.cloud.network, request.network
    name = f"amikiln-{run.id}-{request.purpose}"
    minutes = _limit_minutes(request, session)
    ours = tags_for_run(run, request.digest, minutes)
    tags = {**request.own_tags, **ours, "Name": name}

    directory = make_scratch_directory()
    undo.add(f"the run's ssh keys in {directory}", lambda: shutil.rmtree(directory))
    keys = make_keys(directory)

    # Each removal is registered before the call that makes the thing, and finds it by its name:
    # an answer that is lost on its way leaves nothing behind either.
    undo.add(f"key pair {name}", lambda: _delete_key_pairs(session, name))
    network.import_key_pair(name, keys.public(keys.ours), tags)

    group_id = where.security_group_id
    if group_id is None:
        undo.add(f"security group {name}", lambda: _delete_groups(session, name))
        group_id = network.create_security_group(name, where.vpc_id or "", where.ssh_from, tags)

    launch = Launch(
        image_id=request.image_id,
        type="",
        subnet_id="",
        security_group_id=group_id,
        key_name=name,
        user_data=render_user_data(keys, minutes),
        root_device=request.root_device,
        volume={**describe_volume(request.volume), **_describe_encryption(request.volume)},
        tags=tags,
        token="",
        metadata_hop_limit=request.metadata_hop_limit,
        public_address=where.public_address,
        profile=request.profile,
        is_spot=request.is_spot,
    )
    undo.add(f"instance {name}", lambda: _end_instances(session, name))
    instance_id, address = launch_where_there_is_room(launch, request, session)
    has_proxy = where.connect == "session-manager"
    proxy = _render_proxy(session.cloud.region) if has_proxy else None
    login = Login(address, request.user, directory, proxy)
    guest = _log_in(instance_id, login, request, session)
    undo.add(f"ssh connection to {instance_id}", guest.leave)
    return TemporaryMachine(name, instance_id, login, keys, guest)


def _limit_minutes(request: MachineRequest, session: Session) -> int:
    """Return after how many minutes the machine ends itself.

    Once this process has no credentials any more nobody can make an image of it.
    """
    life = describe_life(session.cloud.credentials)
    left = life.minutes_left() if life is not None else None
    return request.machine_minutes if left is None else max(1, min(request.machine_minutes, left))


def _end_instances(session: Session, name: str) -> None:
    for instance_id in session.cloud.instances.find_made(name):
        end(session, instance_id)


def _delete_key_pairs(session: Session, name: str) -> None:
    for found in session.cloud.network.find_key_pairs_made(name):
        session.cloud.network.delete_key_pair(found)


def _delete_groups(session: Session, name: str) -> None:
    for group_id in session.cloud.network.find_security_groups_made(name):
        session.cloud.network.delete_security_group(group_id)


def keep(machine: TemporaryMachine, session: Session, undo: Undo) -> None:
    """Leave a machine running, for somebody to look at, and say how to log in and how to remove it.

    Its timer is cancelled, and a tag keeps it from being swept by later runs.
    """
    instance_id, login = machine.instance_id, machine.login
    session.cloud.instances.tag(instance_id, tags_of_kept_instance())
    try:
        machine.guest.run(f"systemctl stop {END_UNIT}.timer", timeout_seconds=60)
    except AmikilnError as error:
        session.report.line(f"its timer could not be cancelled: {error}")
    machine.guest.leave()
    undo.cancel_all()
    directory = machine.keys.directory
    proxy = f" -o ProxyCommand='{login.proxy_command}'" if login.proxy_command else ""
    session.report.line(
        f"kept {instance_id}. Log in:\n"
        f"  ssh -i {machine.keys.ours} -o UserKnownHostsFile={directory}/known_hosts{proxy}"
        f" {login.user}@{login.address}\n"
        "Remove it, and with the next run its key pair and group:\n"
        f"  {session.cloud.aws('ec2', 'terminate-instances', '--instance-ids', instance_id)};"
        f" rm -r {shlex.quote(str(directory))}"
    )


def leave(machine: TemporaryMachine, undo: Undo) -> None:
    """Leave a machine where it is, with its security group, for the next run to remove."""
    undo.cancel(f"instance {machine.name}")
    undo.cancel(f"security group {machine.name}")


def end_all(session: Session, tags: Mapping[str, str]) -> None:
    """Remove the machines with these tags, and what was made for them."""
    network = session.cloud.network
    for found in session.cloud.instances.find_by_tags(tags):
        end(session, found.id)
    for group_id, _ in network.find_security_groups(tags):
        network.delete_security_group(group_id)
    for name, _ in network.find_key_pairs(tags):
        network.delete_key_pair(name)


def end(session: Session, instance_id: str) -> None:
    """Terminate a machine and wait until it is gone: its security group can only go after it."""
    session.cloud.instances.terminate(instance_id)

    def is_gone() -> bool | None:
        record = session.cloud.instances.get(instance_id)
        return True if record is None or record.state == "terminated" else None

    session.waiter.until(is_gone, what=f"instance {instance_id} to be gone", deadline_seconds=600)


def stop(session: Session, instance_id: str, deadline_seconds: float) -> None:
    """Stop a machine by StopInstances (a shutdown from inside would terminate it), and wait.

    Raises:
        MachineEnded: It was terminated instead.
        DeadlinePassed: It did not stop in time.
    """
    session.cloud.instances.stop(instance_id)

    def has_stopped() -> bool | None:
        return True if require_alive(session, instance_id).state == "stopped" else None

    session.waiter.until(
        has_stopped, what=f"instance {instance_id} to stop", deadline_seconds=deadline_seconds
    )
    # One part of EC2 may know it before another does.
    session.cloud.recent.note(instance_id)


def describe_volume(volume: Volume) -> dict[str, Any]:
    """Return a volume as a block device mapping of EC2 writes it."""
    return {
        "VolumeType": "gp3",
        "VolumeSize": volume.size_gib,
        "Iops": volume.iops,
        "Throughput": volume.throughput_mib,
    }


def _render_proxy(region: str) -> str:
    """Return the command that carries ssh's bytes through Session Manager.

    https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-getting-started-enable-ssh-connections.html
    """
    return (
        f"aws ssm start-session --region {region} --target %h"
        " --document-name AWS-StartSSHSession --parameters portNumber=%p"
    )


def _describe_encryption(volume: Volume) -> dict[str, Any]:
    """Return what encrypts a volume, and with it each snapshot of it."""
    return {"Encrypted": True, "KmsKeyId": volume.kms_key} if volume.kms_key else {}


def _log_in(instance_id: str, login: Login, request: MachineRequest, session: Session) -> Guest:
    guest = session.connect(login)
    last_answer = "no try yet"

    def knock() -> bool | None:
        nonlocal last_answer
        refusal = guest.knock()
        if refusal is None:
            return True
        last_answer = refusal
        require_alive(session, instance_id)
        return None

    try:
        session.waiter.until(
            knock,
            what=f"ssh to {instance_id} at {login.address}",
            deadline_seconds=request.boot_seconds,
        )
    except AmikilnError as error:
        if isinstance(error, MachineEnded):
            raise
        raise GuestUnreachable(
            f"{error.what}; ssh's last words: {last_answer}\n"
            f"{_read_console_tail(session, instance_id)}",
            hint="does the source image run user data, and can the machine's port 22 be reached?",
        ) from error
    return guest


def _read_console_tail(session: Session, instance_id: str) -> str:
    """Return the console's last lines, for the instance will soon be gone, or why not."""
    try:
        lines = session.cloud.instances.read_console(instance_id).strip().splitlines()
    except AwsFailure as error:
        return f"its console could not be read: {explain(error)[0]}"
    return "\n".join(["its console's last lines:", *lines[-CONSOLE_LINES:]])
