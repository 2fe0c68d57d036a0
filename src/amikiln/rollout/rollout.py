"""Turn over: new machines use the published image, by natural turnover.

A machine that ends its job is replaced by its Auto Scaling group, and the group's launch
template names the image as ``resolve:ssm:...``, which EC2 resolves at each launch
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/using-systems-manager-parameters.html).
Nothing is ended here: a running job is nobody's to stop.
"""

from __future__ import annotations

from amikiln.aws.instances import GONE
from amikiln.errors import RolloutError
from amikiln.model.fleet import FleetMachine, GroupTurnover
from amikiln.session import Session
from amikiln.spec.spec import Spec


def turn_over(
    spec: Spec, image_id: str, session: Session, *, wait_seconds: float = 0
) -> tuple[GroupTurnover, ...]:
    """See that the spec's groups follow the pointer, and how far their machines are.

    Args:
        spec: Names the groups.
        image_id: The published image.
        session: Where the groups are.
        wait_seconds: Wait this long for all machines to run the image; 0: look once.

    Raises:
        RolloutError: A group launches from something else than the pointer.
        DeadlinePassed: Machines of the old image are still at work.
    """

    def followed() -> tuple[GroupTurnover, ...]:
        groups = look(spec, image_id, session)
        for group in groups:
            if not group.follows:
                raise RolloutError(
                    f"Auto Scaling group {group.group} launches {group.launch_image or 'no image'}"
                    f" and does not follow {spec.pointer}",
                    hint=f"give its launch template ImageId=resolve:ssm:{spec.pointer}",
                )
        return groups

    def all_done() -> tuple[GroupTurnover, ...] | None:
        groups = followed()
        return groups if all(group.done for group in groups) else None

    if not wait_seconds:
        return followed()
    return session.waiter.until(
        all_done,
        what=f"{', '.join(spec.fleet.auto_scaling_groups)} to run {image_id}",
        deadline_seconds=wait_seconds,
    )


def look(spec: Spec, image_id: str, session: Session) -> tuple[GroupTurnover, ...]:
    """Return the state of those of the spec's groups that exist; tells which do not."""
    found = []
    for name in spec.fleet.auto_scaling_groups:
        group = session.cloud.autoscaling.group(name)
        if group is None:
            session.report.line(f"there is no Auto Scaling group {name} yet: nothing to turn over")
            continue
        records = [session.cloud.instances.get(instance_id) for instance_id in group.instance_ids]
        machines = tuple(
            FleetMachine(record.id, record.image_id, record.state, record.address)
            for record in records
            if record is not None and record.state not in GONE
        )
        follows = group.launch_image == f"resolve:ssm:{spec.pointer}"
        found.append(
            GroupTurnover(name, image_id, group.launch_image, follows, group.desired, machines)
        )
    return tuple(found)
