"""Preflight: what can be checked is checked before anything is made or costs money."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from amikiln.aws.errors import AwsFailure
from amikiln.aws.instance_types import TypeRecord
from amikiln.catalog.fleet import select_groups
from amikiln.catalog.images import find_used_gib, list_images
from amikiln.catalog.pointer import Pointer
from amikiln.errors import PreflightError
from amikiln.model.plan import Command, Plan
from amikiln.model.run import Run
from amikiln.plan.credentials import check_credentials
from amikiln.plan.network import check_network
from amikiln.plan.room import estimate_room, find_room_fault
from amikiln.plan.this_machine import check_this_machine
from amikiln.recipe.build_context import describe_lfs
from amikiln.session import Session
from amikiln.spec.machine import Volume


def preflight(plan: Plan, run: Run, session: Session, command: Command = "run") -> None:
    """Look for what would make the run fail later. Writes nothing.

    Args:
        plan: What is to be done.
        run: By which run.
        session: Where.
        command: For which command.

    Raises:
        PreflightError: All faults at once, each in a line.
    """
    minutes = plan.longest(command).minutes
    session.report.line(f"`{command}` takes {minutes} minutes at most, by the spec's deadlines")
    faults = [*check_credentials(plan, command, session), *check_plan(plan, session)]
    _tell_missing_groups(plan, session)
    if warning := describe_lfs(plan.context):
        session.report.line(warning)
    faults += [
        *check_this_machine(plan, session),
        *_check_volume(plan, session),
        *_check_name(plan.ami_name(run), session),
        *_check_secrets(plan, session),
    ]
    if faults:
        raise PreflightError("\n".join(faults), hint="nothing was made; correct this and run again")


def check_plan(plan: Plan, session: Session) -> Iterator[str]:
    """Yield the faults that a plan has for every command, whoever runs it and when."""
    yield from _check_instance_types(plan, session)
    yield from check_network(plan, session)
    yield from _check_profile(plan, session)
    yield from _check_pointer(plan, session)


def _check_instance_types(plan: Plan, session: Session) -> Iterator[str]:
    fleet, region = plan.spec.fleet.instance_types, plan.spec.region
    there = {*plan.instance_types, *plan.fleet_types}
    missing = ", ".join(n for n in (*plan.spec.instance.types, *fleet) if n not in there)
    if not plan.instance_types:
        yield f"{region} offers none of instance.types: {missing}"
        return
    if not plan.fleet_types:
        yield f"{region} offers none of fleet.instance_types: {', '.join(fleet)}"
    known = session.cloud.instances.list_known_types()
    for name in dict.fromkeys((*plan.spec.instance.types, *fleet)):
        if name not in there and name not in known:
            close = ", ".join(difflib.get_close_matches(name, known, n=2))
            yield (
                f"there is no instance type {name}, in {region} or as far as is known here"
                + (f": did you mean {close}?" if close else "")
            )
        elif name not in there:
            session.report.line(f"warning: {region} does not offer {name}: it is left out")
    architecture = plan.spec.source.architecture
    types = dict.fromkeys([*plan.instance_types, *plan.fleet_types])
    described = session.cloud.instances.describe_types(tuple(types))
    for name in types:
        if name not in described:
            yield f"EC2 offers the instance type {name} in {region}, and does not describe it"
            continue
        fit = described[name].architectures
        if architecture not in fit:
            yield (
                f"instance type {name} is for {', '.join(sorted(fit))}, and the source image"
                f" {plan.source.id} for {architecture}"
            )
        if slower := _describe_limits(described[name], plan.spec.volume):
            session.report.line(f"instance type {name} {slower}: the volume's is paid in vain")


def _describe_limits(type_: TypeRecord, volume: Volume) -> str:
    """Return what a type cannot use of a volume's speed; empty: it can use all, or nobody says."""
    limits = []
    # AWS counts a volume's speed in MiB/s, and an instance's in MB/s.
    if type_.ebs_mb is not None and type_.ebs_mb * 1e6 < volume.throughput_mib * 2**20:
        limits.append(f"{type_.ebs_mb:g} MB/s for volume.throughput_mib {volume.throughput_mib}")
    if type_.ebs_iops is not None and type_.ebs_iops < volume.iops:
        limits.append(f"{type_.ebs_iops} IOPS for volume.iops {volume.iops}")
    return f"has {' and '.join(limits)}" if limits else ""


def _check_profile(plan: Plan, session: Session) -> Iterator[str]:
    name = plan.spec.instance.profile
    if name is None:
        return
    try:
        if not session.cloud.profiles.exists(name):
            yield f"there is no instance profile {name} in account {session.cloud.account}"
    except AwsFailure as error:
        session.report.line(f"cannot tell whether instance profile {name} exists: {error}")


def _tell_missing_groups(plan: Plan, session: Session) -> None:
    """Say now what rollout will fail for; the image can be baked, proven and published first."""
    wanted = select_groups(plan.spec)
    if not wanted.is_empty:
        for what in session.cloud.autoscaling.find_groups(wanted).missing:
            session.report.line(f"warning: there is no {what}, which rollout will look for")


def _check_volume(plan: Plan, session: Session) -> Iterator[str]:
    room = estimate_room(plan, find_used_gib(list_images(plan.spec.name, session)))
    session.report.line(f"the image needs {room.describe()}")
    if fault := find_room_fault(plan):
        yield fault


def _check_name(name: str, session: Session) -> Iterator[str]:
    taken = session.cloud.images.find_by_name(name)
    if taken is not None:
        yield f"the AMI name {name} is taken by {taken.id}: choose another ami_name_prefix"


def _check_pointer(plan: Plan, session: Session) -> Iterator[str]:
    yield from Pointer(plan.spec, session).find_faults()


def _check_secrets(plan: Plan, session: Session) -> Iterator[str]:
    warm, given = plan.spec.warm, session.secrets.keys()
    if warm is None:
        session.report.line(
            "warning: the spec says warm = false: the image will NOT be proven warm, only that it"
            " boots, and has the builder and the pulled images"
        )
    wanted = set(warm.secrets if warm is not None else ()) | plan.spec.login_secrets
    for name in sorted(wanted - given):
        yield f"the secret {name} is not given: write it as JSON to the file of --secrets-fd"
    for name in sorted(given - wanted):
        yield f"the secret {name} is given, and neither warm.secrets nor docker.logins names it"
