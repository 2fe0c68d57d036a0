"""Which Auto Scaling groups are a spec's."""

from __future__ import annotations

from amikiln.aws.autoscaling import GroupSelection
from amikiln.spec.spec import Spec


def select_groups(spec: Spec) -> GroupSelection:
    """Return which groups a spec means, in whatever ways it names them."""
    fleet = spec.fleet
    return GroupSelection(fleet.auto_scaling_groups, fleet.stacks, fleet.group_tags)
