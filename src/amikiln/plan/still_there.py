"""Whether what a plan names is there still: a plan from a file was resolved some time ago."""

from __future__ import annotations

from collections.abc import Iterator

from amikiln.errors import PreflightError
from amikiln.model.plan import Plan
from amikiln.plan.registries import Pin
from amikiln.recipe import build_context
from amikiln.session import Session


def find_missing(plan: Plan, session: Session, pin: Pin) -> Iterator[str]:
    """Yield a line for all that is gone, or is another thing now.

    Args:
        plan: What was planned.
        session: Where to look.
        pin: Asks the registries for the images.
    """
    yield from _look_for_source(plan, session)
    yield from _look_for_images(plan, pin)
    yield from _look_for_commit(plan)
    types = list(dict.fromkeys([*plan.instance_types, *plan.fleet_types]))
    offered = session.cloud.instances.list_offered_types(types) if types else set()
    for name in types:
        if name not in offered:
            yield f"{plan.spec.region} no longer offers the instance type {name}"
    subnets = {each.id for each in session.cloud.network.find_subnets(plan.network.subnet_ids)}
    for subnet in plan.network.subnet_ids:
        if subnet not in subnets:
            yield f"the subnet {subnet} is no longer there"


def _look_for_source(plan: Plan, session: Session) -> Iterator[str]:
    wanted = plan.source
    found = session.cloud.images.get(wanted.id)
    if found is None:
        yield f"the source image {wanted.id} ({wanted.name}) is no longer in {plan.spec.region}"
        return
    if found.state != "available":
        yield f"the source image {wanted.id} ({wanted.name}) is {found.state}, not available"
    for what, planned, now in (
        ("name", wanted.name, found.name),
        ("root device", wanted.root_device, found.root_device),
        ("volume", f"{wanted.volume_gib} GiB", f"{found.volume_gib} GiB"),
        ("architecture", plan.spec.source.architecture, found.architecture),
    ):
        if planned != now:
            yield f"the source image {wanted.id} is another now: its {what} is {now}, not {planned}"


def _look_for_commit(plan: Plan) -> Iterator[str]:
    if plan.context is None:
        return
    try:
        build_context.require_commit(plan.context)
    except PreflightError as error:
        yield f"what was planned to be built is not to be had any more: {error.what}"


def _look_for_images(plan: Plan, pin: Pin) -> Iterator[str]:
    planned = (plan.buildkit, *plan.images)
    try:
        found = pin((image.by_digest for image in planned), plan.spec.source.architecture)
    except PreflightError as error:
        yield f"what was planned is not to be had any more: {error.what}"
        return
    digests = {image.reference: image.digest for image in found}
    for image in dict.fromkeys(planned):
        if (now := digests.get(image.by_digest)) != image.digest:
            yield f"the registry gives {now} for {image.by_digest} ({image.reference})"
