"""Sweep: what a dead run left is found by its tags and removed.

Called by a run that holds the image's lease, so every other run of this image is over or has
lost it. Nothing without our tags is looked at, and an image that may be needed stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from amikiln.aws.errors import AwsFailure, explain
from amikiln.aws.images import ImageRecord
from amikiln.catalog.tags import (
    TAG_DIGEST,
    TAG_IMAGE,
    TAG_KEPT,
    TAG_RUN,
    TAG_VERDICT,
    can_be_taken_up,
)
from amikiln.machine import instance as temporary
from amikiln.model.plan import Plan
from amikiln.model.run import Run
from amikiln.model.verdict import Outcome
from amikiln.session import Session


def sweep(run: Run, plan: Plan, session: Session) -> list[str]:
    """Remove what earlier runs of this image left behind.

    A machine kept by ``--keep-on-error`` stays, with its key pair and group, until it is ended.

    Args:
        run: The run that holds the lease; its own things stay.
        plan: What the run will do: an unjudged image of the same inputs stays, to be taken up;
            so does every image that a version of the plan's pointer names.
        session: Where to sweep.

    Returns:
        What was removed, each with its kind and id. What could not be removed is told, and left
        for the next sweep.
    """
    cloud, ours = session.cloud, {TAG_IMAGE: run.image_name}
    removed: list[str] = []

    def remove(what: str, action: Callable[[], object]) -> None:
        try:
            action()
        except AwsFailure as error:
            session.report.line(f"cannot remove {what} of a dead run: {explain(error)[0]}")
            return
        removed.append(what)
        session.report.line(f"removed {what} of a dead run")

    instances = cloud.instances.find_by_tags(ours)
    spared = {run.id} | {i.tags.get(TAG_RUN, "") for i in instances if TAG_KEPT in i.tags}
    for instance in instances:
        if _left(instance.tags, spared):
            remove(f"instance {instance.id}", partial(temporary.end, session, instance.id))
    for group_id, tags in cloud.network.find_security_groups(ours):
        if _left(tags, spared):
            remove(
                f"security group {group_id}", partial(cloud.network.delete_security_group, group_id)
            )
    for name, tags in cloud.network.find_key_pairs(ours):
        if _left(tags, spared):
            remove(f"key pair {name}", partial(cloud.network.delete_key_pair, name))

    named_by_pointer = set(cloud.parameters.history(plan.spec.pointer))
    kept_snapshots: set[str] = set()
    for image in cloud.images.find_by_tags(ours):
        if _left(image.tags, spared) and not _needed(image, named_by_pointer, plan, session):
            remove(f"image {image.id}", partial(cloud.images.remove, image))
        else:
            kept_snapshots.update(image.snapshot_ids)
    for snapshot_id, tags in cloud.images.find_snapshots(ours):
        if _left(tags, spared) and snapshot_id not in kept_snapshots:
            remove(f"snapshot {snapshot_id}", partial(cloud.images.delete_snapshot, snapshot_id))
    return removed


def _left(tags: Mapping[str, str], spared_runs: set[str]) -> bool:
    """Tell whether a dead run of ours made this; what carries no run's tag is not ours."""
    return TAG_RUN in tags and tags[TAG_RUN] not in spared_runs


def _needed(image: ImageRecord, named_by_pointer: set[str], plan: Plan, session: Session) -> bool:
    return (
        image.tags.get(TAG_VERDICT) == Outcome.PASS
        or (can_be_taken_up(image.state, image.tags) and image.tags.get(TAG_DIGEST) == plan.digest)
        or image.id in named_by_pointer
        or bool(session.cloud.instances.find_by_image(image.id))
    )
