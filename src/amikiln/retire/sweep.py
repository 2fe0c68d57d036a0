"""Sweep: what a dead run left behind is found by its tags and removed.

Called by a run that holds the image's lease, so every other run of this image is over or has
lost it. Nothing without our tags is looked at, and an image that may be needed stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from amikiln.aws.errors import AwsFailure, explain
from amikiln.catalog.images import CatalogImage
from amikiln.catalog.pointer import Pointer
from amikiln.catalog.tags import is_kept_instance, run_of, tags_for_spec
from amikiln.machine import instance as temporary
from amikiln.model.plan import Plan
from amikiln.model.run import Run
from amikiln.runtime.wait import DeadlinePassed
from amikiln.session import Session


def sweep(run: Run, plan: Plan, images: Sequence[CatalogImage], session: Session) -> list[str]:
    """Remove what earlier runs of this image left behind.

    An instance that ``--keep-on-error`` left stays, with its key pair and group, until somebody
    ends it.

    Args:
        run: The run that holds the lease; what it made itself stays.
        plan: What the run will do: an image of the same inputs that nobody has verified stays, to
            be used; so does every image that a version of the plan's pointer names. A finished one
            of other inputs stays for a day, for whoever baked it to verify.
        images: All that there are of the spec, as ``list_images`` returns them.
        session: Where to sweep.

    Returns:
        What was removed, each with its kind and id. What could not be removed is reported, and
        left for the next sweep.
    """
    cloud, ours = session.cloud, tags_for_spec(run.image_name)
    removed: list[str] = []

    def remove(what: str, action: Callable[[], object]) -> None:
        try:
            action()
        except (*AwsFailure, DeadlinePassed) as error:
            why = error.what if isinstance(error, DeadlinePassed) else explain(error)[0]
            session.report.line(f"cannot remove {what} of a dead run: {why}")
            return
        removed.append(what)
        session.report.line(f"removed {what} of a dead run")

    instances = cloud.instances.find_by_tags(ours)
    spared = {run.id} | {run_of(one.tags) for one in instances if is_kept_instance(one.tags)}
    # EC2 fails an image whose machine is terminated too soon.
    spared |= {image.run for image in images if image.is_being_written}

    def is_left_over(made_by: str | None) -> bool:
        # What carries no run's tag is not ours.
        return made_by is not None and made_by not in spared

    for instance in instances:
        if is_left_over(run_of(instance.tags)):
            remove(f"instance {instance.id}", partial(temporary.end, session, instance.id))
    for group_id, tags in cloud.network.find_security_groups(ours):
        if is_left_over(run_of(tags)):
            remove(
                f"security group {group_id}", partial(cloud.network.delete_security_group, group_id)
            )
    for name, tags in cloud.network.find_key_pairs(ours):
        if is_left_over(run_of(tags)):
            remove(f"key pair {name}", partial(cloud.network.delete_key_pair, name))

    now = datetime.now(UTC)
    named_by_pointer = Pointer(plan.spec, session).read_history()
    unneeded = [
        image
        for image in images
        if is_left_over(image.run)
        and not image.stays
        and not image.is_reusable_for(plan, now)
        and not image.may_be_awaited(now)
        and image.id not in named_by_pointer
    ]
    in_use = cloud.instances.find_images_in_use([image.id for image in unneeded])
    snapshots_of_images = {snapshot for image in images for snapshot in image.record.snapshot_ids}
    for image in unneeded:
        if image.id not in in_use:
            remove(f"image {image.id}", partial(cloud.images.remove, image.record))
            snapshots_of_images.difference_update(image.record.snapshot_ids)
    for snapshot_id, tags in cloud.images.find_snapshots(ours):
        if is_left_over(run_of(tags)) and snapshot_id not in snapshots_of_images:
            remove(f"snapshot {snapshot_id}", partial(cloud.images.delete_snapshot, snapshot_id))
    return removed
