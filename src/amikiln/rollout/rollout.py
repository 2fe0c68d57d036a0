"""Roll out: new machines use the published image, and old ones go when their job ends.

A machine that ends its job is replaced by its Auto Scaling group, and the group's launch
template names the image as ``resolve:ssm:...``, which EC2 resolves at each launch
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/using-systems-manager-parameters.html).
Nothing is terminated here: a running job is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from amikiln.aws.autoscaling import GroupRecord
from amikiln.aws.instances import InstanceRecord
from amikiln.catalog.fleet import select_groups
from amikiln.catalog.pointer import Pointer
from amikiln.errors import RolloutError
from amikiln.model.fleet import Fleet, FleetGroup, FleetMachine
from amikiln.session import Session
from amikiln.spec.spec import Spec


def roll_out(
    spec: Spec,
    image_id: str,
    session: Session,
    *,
    wait_seconds: float = 0,
    tell_missing: Callable[[str], None] | None = None,
) -> tuple[FleetGroup, ...]:
    """See that the spec's groups follow the pointer, and which image their machines run.

    Args:
        spec: Names the groups.
        image_id: The published image.
        session: Where the groups are.
        wait_seconds: How many seconds to wait for all machines to run the image; 0: look once.
        tell_missing: Is told each group that there is not, instead of an error: before the first
            image is published there can be none, since nothing launches from a pointer that does
            not exist.

    Returns:
        The spec's groups; none where it names none, which is told.

    Raises:
        RolloutError: A group does not exist, or launches from something else than the pointer.
        DeadlinePassed: Machines of the old image are still at work.
    """
    if select_groups(spec).is_empty:
        session.report.line(
            "the spec names no Auto Scaling group: nothing shows that a machine follows the pointer"
        )
        return ()

    def check_groups() -> tuple[FleetGroup, ...]:
        fleet = describe_fleet(spec, image_id, session)
        if fleet.missing and tell_missing is None:
            raise RolloutError(
                f"there is no {', no '.join(fleet.missing)} in {spec.region}",
                hint="create it, or correct [fleet] in image.toml",
            )
        for what in fleet.missing:
            session.report.line(f"warning: there is no {what}: nothing launches the image")
            if tell_missing is not None:
                tell_missing(what)
        for group in fleet.groups:
            if not group.follows:
                raise RolloutError(
                    f"Auto Scaling group {group.group} launches {group.launch_image or 'no image'}"
                    f" from {group.launch_source}, and does not follow {spec.pointer}",
                    hint=f"give it ImageId={Pointer(spec, session).reference}",
                )
        return fleet.groups

    def find_all_done() -> tuple[FleetGroup, ...] | None:
        groups = check_groups()
        return groups if all(group.done for group in groups) else None

    if wait_seconds:
        groups = session.waiter.until(
            find_all_done,
            what=f"the machines of the fleet to run {image_id}",
            deadline_seconds=wait_seconds,
        )
    else:
        groups = check_groups()
    for group in groups:
        if not group.desired and not group.machines:
            session.report.line(f"Auto Scaling group {group.group} wants no machine now")
    return groups


def describe_fleet(spec: Spec, image_id: str, session: Session) -> Fleet:
    """Describe the spec's groups that exist, and name what led to none.

    However many groups and machines there are, they are asked for in one call each.

    Args:
        spec: Names the groups.
        image_id: The published image, which the machines should run.
        session: Where the groups are.
    """
    cloud, reference = session.cloud, Pointer(spec, session).reference
    found = cloud.autoscaling.find_groups(select_groups(spec))
    ids: Sequence[str] = [one for record in found.groups for one in record.instance_ids]
    instances = cloud.instances.find_by_ids(ids)
    groups = (_describe_group(one, image_id, reference, instances) for one in found.groups)
    return Fleet(tuple(groups), found.missing)


def _describe_group(
    record: GroupRecord, image_id: str, reference: str, instances: dict[str, InstanceRecord]
) -> FleetGroup:
    machines = tuple(
        FleetMachine(
            instance.id,
            instance.image_id,
            instance.state,
            instance.public_address or instance.private_address,
        )
        for instance_id in record.instance_ids
        if (instance := instances.get(instance_id)) is not None
    )
    others = [source for source in record.sources if source.image != reference]
    shown = (others or record.sources)[0]
    return FleetGroup(
        group=record.name,
        image_id=image_id,
        launch_image=shown.image,
        follows=not others,
        desired=record.desired,
        machines=machines,
        launch_source=shown.what,
    )
