"""Bake: boot a machine, run the recipe, make an image of its disk, and remove the machine."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from amikiln.aws.errors import AwsFailure, explain
from amikiln.aws.images import ImageRecord
from amikiln.catalog.images import BEING_WRITTEN, CatalogImage
from amikiln.catalog.tags import tags_for_run, tags_of_content, tags_of_run
from amikiln.errors import AmikilnError, BakeError
from amikiln.machine import instance, upload
from amikiln.machine.virtualization import detect_machine, is_container, uses_kernel
from amikiln.model.image import Image
from amikiln.model.plan import Plan
from amikiln.model.run import Run
from amikiln.recipe import render
from amikiln.recipe.paths import RECIPE_DIRECTORY, WARM_STEP
from amikiln.runtime.cleanup import Undo
from amikiln.runtime.guest import Guest, GuestCommandFailed
from amikiln.session import Session
from amikiln.spec import timing

QUERY_SECONDS = 60
KIB_OF_A_GIB = 1024**2


def bake(
    plan: Plan,
    run: Run,
    session: Session,
    *,
    reusable: CatalogImage | None = None,
    keep_on_error: bool = False,
) -> Image:
    """Make an image of a plan, unless one of the same inputs only has to be verified.

    Args:
        plan: What goes in.
        run: Whose tags the image carries.
        session: Where to make it.
        reusable: An image of the same inputs to use instead, once it is written.
        keep_on_error: Leave a machine whose recipe failed running, for somebody to look at.

    Returns:
        The available image; everything else that was made for it is gone again.

    Raises:
        BakeError: A step of the recipe failed, or no image came out. Nothing is left of it.
        DeadlinePassed: The image is still being written; the next run takes it up.
    """
    if reusable is not None:
        try:
            return _take_up(reusable, plan, session)
        except BakeError as error:
            session.report.line(f"{error.what}: another is baked")
    with Undo(session.report) as undo:
        machine = instance.start(session, plan.request_bake_machine(), run, undo)
        try:
            rendered = render.add_scanner(render.render_recipe(plan), plan)
            _apply(rendered, machine.guest, plan, session)
        except AmikilnError:
            if keep_on_error:
                upload.remove_secrets(machine.guest)
                instance.keep(machine, session, undo)
            raise
        used_gib = _measure_used(machine.guest)
        machine.guest.leave()
        if plan.spec.instance.market == "on-demand":
            instance.stop(session, machine.instance_id, plan.spec.deadlines.stop_seconds)
        # EC2 stops no Spot instance of a one-time request. CreateImage shuts a running one down for
        # its snapshot and starts it again, unless NoReboot is set:
        # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html
        name = plan.ami_name(run)
        undo.add(f"image {name}", lambda: _settle_image(name, machine, undo, session))
        tags = tags_for_run(run, plan.digest, plan.request_bake_machine().machine_minutes)
        tags = {**plan.spec.tags, **tags, **tags_of_content(used_gib), "Name": name}
        image_id = _begin_image(machine.instance_id, name, tags, plan, session)
        record = _wait_until_written(image_id, plan, session)
        undo.cancel(f"image {name}")
        return _finish_image(record, plan, session)


def _take_up(reusable: CatalogImage, plan: Plan, session: Session) -> Image:
    session.report.line(f"image {reusable.id} of an earlier run has the same inputs: no bake")
    try:
        record = _wait_until_written(reusable.id, plan, session)
    except BakeError:
        _end_source(reusable, session)
        raise
    _end_source(reusable, session)
    return _finish_image(record, plan, session)


def _end_source(image: CatalogImage, session: Session) -> None:
    """Remove the machine that an earlier run left for EC2 to write its image."""
    if image.is_being_written and image.run is not None:
        instance.end_all(session, tags_of_run(image.run))


def _apply(rendered: render.Recipe, guest: Guest, plan: Plan, session: Session) -> None:
    upload.send_recipe(rendered, guest, session, plan.spec.deadlines.step_seconds)
    upload.send_build(plan, guest, session)
    upload.send_logins(plan.spec, guest, session)
    _warn_of_kernel_steps(plan, guest, session)
    for step in rendered.steps:
        began = time.monotonic()
        seconds = plan.spec.deadlines.step_seconds
        if step == WARM_STEP:
            seconds = timing.limit_warm_step(plan.spec)
        try:
            with session.waiter.span(step):
                guest.stream(
                    f"cd {RECIPE_DIRECTORY} && exec sh -eu {shlex.quote(step)} 2>&1",
                    lambda line: session.report.line(session.mask(f"  {line}")),
                    timeout_seconds=seconds,
                )
        except GuestCommandFailed as error:
            raise BakeError(
                f"{step} failed after {time.monotonic() - began:.0f} s: {error.what}\n"
                + session.mask(error.tail),
                hint="the lines above are the step's last; correct it and run again",
            ) from error


def _warn_of_kernel_steps(plan: Plan, guest: Guest, session: Session) -> None:
    """Say which of the user's steps look at a kernel that is not the image's."""
    steps = [path for path, script in plan.own_steps.items() if uses_kernel(script)]
    if not steps or not is_container(machine := detect_machine(guest)):
        return
    for step in steps:
        session.report.line(
            f"warning: {step} looks at the kernel, which in a container ({machine}) is the host's"
        )


def _measure_used(guest: Guest) -> float:
    """Return how much of the root file system is in use, in GiB: the next plan counts with it."""
    used = guest.run("df -k --output=used / | tail -n 1", timeout_seconds=QUERY_SECONDS)
    return int(used) / KIB_OF_A_GIB


def _begin_image(
    instance_id: str, name: str, tags: Mapping[str, str], plan: Plan, session: Session
) -> str:
    cloud, root_device = session.cloud, plan.source.root_device
    machine, source = cloud.instances.get(instance_id), cloud.images.get(plan.source.id)
    # Instance store volumes are in the source's mappings alone, other ones in the machine's, too.
    devices = {*(machine.devices if machine else ()), *(source.devices if source else ())}
    return cloud.images.create(
        instance_id=instance_id,
        name=name,
        root_device=root_device,
        other_devices=sorted(devices - {root_device}),
        tags=tags,
    )


def _wait_until_written(image_id: str, plan: Plan, session: Session) -> ImageRecord:
    def find_available() -> ImageRecord | None:
        record = session.cloud.images.get(image_id)
        if record is None:
            if session.cloud.recent.is_new(image_id):
                return None
            raise BakeError(f"image {image_id} is gone: somebody else removed it")
        if record.state in BEING_WRITTEN:
            return None
        if record.state != "available":
            raise BakeError(f"image {image_id} is {record.state}: {record.reason or 'no reason'}")
        # One part of EC2 may know that it is written before another does.
        return record if record.snapshot_ids else None

    record = session.waiter.until(
        find_available,
        what=f"image {image_id} to be written",
        deadline_seconds=plan.spec.deadlines.image_seconds,
    )
    session.cloud.recent.note(record.id, *record.snapshot_ids)
    return record


def _settle_image(
    name: str, machine: instance.TemporaryMachine, undo: Undo, session: Session
) -> None:
    """Remove an image that EC2 could not write; leave the machine for one that it still writes.

    It is worth keeping from the moment that EC2 began it: the next run takes it up. It may have
    begun it without our knowledge, where the answer to CreateImage was lost.
    """
    images = session.cloud.images
    try:
        made = {image_id: images.get(image_id) for image_id in images.find_made(name)}
    except AwsFailure as error:
        session.report.line(f"cannot see what became of image {name}: {explain(error)[0]}")
        instance.leave(machine, undo)
        return
    for image_id, record in made.items():
        if record is None or record.state in BEING_WRITTEN:
            instance.leave(machine, undo)
            session.report.line(
                f"image {image_id} is still being written, and is kept for the next run; so is"
                f" {machine.instance_id} until then, which EC2 needs for it"
            )
        elif record.state != "available":
            images.remove(record)


def _finish_image(record: ImageRecord, plan: Plan, session: Session) -> Image:
    deprecated_from = datetime.now(UTC) + timedelta(days=plan.spec.deprecate_days)
    session.cloud.images.deprecate(record.id, deprecated_from)
    session.report.line(f"image {record.id} ({record.name}) is available")
    return Image(record.id, record.name, session.cloud.region, plan.digest, record.snapshot_ids)
