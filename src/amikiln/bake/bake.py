"""Bake: a machine boots, the recipe runs, its disk becomes an image, the machine goes."""

from __future__ import annotations

import shlex
import time
from datetime import UTC, datetime, timedelta

from amikiln.aws.images import ImageRecord
from amikiln.catalog.tags import TAG_DIGEST, TAG_IMAGE, TAG_RUN, can_be_taken_up, tags_for
from amikiln.errors import AmikilnError, BakeError
from amikiln.machine import instance, upload
from amikiln.machine.ssh import Guest, GuestCommandFailed
from amikiln.model.image import Image
from amikiln.model.plan import Plan
from amikiln.model.run import Run
from amikiln.recipe import render
from amikiln.runtime.cleanup import Undo
from amikiln.session import Toolbox


def bake(
    plan: Plan, run: Run, tools: Toolbox, *, keep_on_error: bool = False, rebake: bool = False
) -> Image:
    """Make an image of what the plan says, or take the one that an earlier run finished.

    Args:
        plan: What goes in.
        run: Whose tags the image carries.
        tools: Where to make it.
        keep_on_error: Leave a machine whose recipe failed for somebody to look at.
        rebake: Take up no image of an earlier run.

    Returns:
        The available image; everything else that was made for it is gone again.

    Raises:
        BakeError: A step of the recipe failed, or no image came out. Nothing is left of it.
    """
    if not rebake and (finished := _finished_by_another_run(plan, tools)):
        return _image(finished, plan, tools)
    with Undo(tools.report) as undo:
        machine = instance.start(tools, plan, run, undo, purpose="bake", image_id=plan.source.id)
        try:
            rendered = render.with_scanner(render.render(plan), plan)
            _apply(rendered, machine.guest, plan, tools)
        except AmikilnError:
            if keep_on_error:
                instance.keep(machine, plan, tools, undo)
            raise
        machine.guest.leave()
        instance.stop(tools, machine.instance_id, plan.spec.deadlines.stop_seconds)
        # Registered before the call and found by the run's tag: see temporary.start.
        undo.add(f"image of run {run.id}", lambda: _remove(run, tools))
        record = _written(_begin_image(machine.instance_id, plan, run, tools), plan, tools)
        # From here on it is worth keeping: if the rest fails, the next run takes it up.
        undo.keep(f"image of run {run.id}")
        return _image(record, plan, tools)


def _finished_by_another_run(plan: Plan, tools: Toolbox) -> ImageRecord | None:
    """Return an image of these very inputs that nobody has judged yet."""
    ours = {TAG_IMAGE: plan.spec.name, TAG_DIGEST: plan.digest}
    for image in tools.cloud.images.tagged(ours):
        if can_be_taken_up(image.state, image.tags):
            tools.report.line(f"image {image.id} of an earlier run has the same inputs: taken up")
            return _written(image.id, plan, tools)
    return None


def _apply(rendered: render.Recipe, guest: Guest, plan: Plan, tools: Toolbox) -> None:
    upload.send_recipe(rendered, guest, tools)
    upload.send_build(plan, guest, tools)
    for step in rendered.steps:
        began = time.monotonic()
        try:
            with tools.waiter.span(step):
                guest.stream(
                    f"cd {render.REMOTE_DIRECTORY} && exec sh -eu {shlex.quote(step)} 2>&1",
                    lambda line: tools.report.line(tools.masked(f"  {line}")),
                    timeout_seconds=plan.spec.deadlines.step_seconds,
                )
        except GuestCommandFailed as error:
            raise BakeError(
                f"{step} failed after {time.monotonic() - began:.0f} s: {error.what}\n"
                + tools.masked(error.tail),
                hint="the lines above are the step's last; correct it and run again",
            ) from error


def _begin_image(instance_id: str, plan: Plan, run: Run, tools: Toolbox) -> str:
    name = plan.ami_name(run)
    return tools.cloud.images.create(
        instance_id=instance_id,
        name=name,
        root_device=plan.source.root_device,
        volume=instance.volume_mapping(plan.spec.volume),
        tags={**tags_for(plan, run), "Name": name},
    )


def _written(image_id: str, plan: Plan, tools: Toolbox) -> ImageRecord:
    def available() -> ImageRecord | None:
        record = tools.cloud.images.get(image_id)
        if record is not None and record.state in {"failed", "error", "invalid"}:
            raise BakeError(f"image {image_id} is {record.state}: {record.reason or 'no reason'}")
        return record if record is not None and record.state == "available" else None

    return tools.waiter.until(
        available,
        what=f"image {image_id} to be written",
        deadline_seconds=plan.spec.deadlines.image_seconds,
    )


def _image(record: ImageRecord, plan: Plan, tools: Toolbox) -> Image:
    deprecated_from = datetime.now(UTC) + timedelta(days=plan.spec.deprecate_days)
    tools.cloud.images.deprecate(record.id, deprecated_from)
    tools.report.line(f"image {record.id} ({record.name}) is available")
    return Image(record.id, record.name, tools.cloud.region, plan.digest, record.snapshot_ids)


def _remove(run: Run, tools: Toolbox) -> None:
    for record in tools.cloud.images.tagged({TAG_RUN: run.id}):
        tools.cloud.images.remove(record)
