"""Roll out: new machines use the published image, and old ones go when their job ends.

A machine that ends its job is replaced by its Auto Scaling group, and the group's launch
template names the image as ``resolve:ssm:...``, which EC2 resolves at each launch
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/using-systems-manager-parameters.html).
Nothing is terminated here: a running job is left alone.
"""

from __future__ import annotations

from amikiln.catalog.pointer import Pointer
from amikiln.errors import RolloutError
from amikiln.model.fleet import FleetGroup, FleetMachine
from amikiln.session import Session
from amikiln.spec.spec import Spec


def roll_out(
    spec: Spec, image_id: str, session: Session, *, wait_seconds: float = 0
) -> tuple[FleetGroup, ...]:
    """See that the spec's groups follow the pointer, and which image their machines run.

    Args:
        spec: Names the groups.
        image_id: The published image.
        session: Where the groups are.
        wait_seconds: How many seconds to wait for all machines to run the image; 0: look once.

    Returns:
        Those of the spec's groups that exist, in the spec's order.

    Raises:
        RolloutError: A group launches from something else than the pointer.
        DeadlinePassed: Machines of the old image are still at work.
    """

    def check_groups() -> tuple[FleetGroup, ...]:
        groups = describe_groups(spec, image_id, session)
        for group in groups:
            if not group.follows:
                raise RolloutError(
                    f"Auto Scaling group {group.group} launches {group.launch_image or 'no image'}"
                    f" and does not follow {spec.pointer}",
                    hint=f"give its launch template ImageId={Pointer(spec, session).reference}",
                )
        return groups

    def find_all_done() -> tuple[FleetGroup, ...] | None:
        groups = check_groups()
        return groups if all(group.done for group in groups) else None

    if not wait_seconds:
        return check_groups()
    return session.waiter.until(
        find_all_done,
        what=f"{', '.join(spec.fleet.auto_scaling_groups)} to run {image_id}",
        deadline_seconds=wait_seconds,
    )


def describe_groups(spec: Spec, image_id: str, session: Session) -> tuple[FleetGroup, ...]:
    """Describe those of the spec's groups that exist, and report those that do not.

    However many groups and machines there are, they are asked for in one call each.

    Args:
        spec: Names the groups.
        image_id: The published image, which the machines should run.
        session: Where the groups are.
    """
    cloud, reference = session.cloud, Pointer(spec, session).reference
    records = {
        record.name: record
        for record in cloud.autoscaling.find_groups(spec.fleet.auto_scaling_groups)
    }
    instances = cloud.instances.find_by_ids(
        [instance_id for record in records.values() for instance_id in record.instance_ids]
    )
    found = []
    for name in spec.fleet.auto_scaling_groups:
        record = records.get(name)
        if record is None:
            session.report.line(f"there is no Auto Scaling group {name} yet")
            continue
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
        follows = record.launch_image == reference
        found.append(
            FleetGroup(name, image_id, record.launch_image, follows, record.desired, machines)
        )
    return tuple(found)
