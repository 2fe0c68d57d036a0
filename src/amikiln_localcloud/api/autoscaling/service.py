"""moto's Auto Scaling with the overrides of it put together, and what keeps groups going."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

from moto.autoscaling import urls
from moto.autoscaling.models import AutoScalingBackend, autoscaling_backends
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult

from amikiln_localcloud.api.authorization import AuthorizedRequests
from amikiln_localcloud.api.autoscaling.groups import LocalGroup
from amikiln_localcloud.api.errors import autoscaling_error

if TYPE_CHECKING:
    from amikiln_localcloud.api.cloud import Cloud

log = logging.getLogger("amikiln.groups")


class LocalAutoScalingResponse(AuthorizedRequests, AutoScalingResponse):
    """Scaling activities, and deleting only what is empty unless forced."""

    def describe_scaling_activities(self) -> ActionResult:
        groups = self._all_groups()
        name = self._get_param("AutoScalingGroupName")
        ids = self._get_param("ActivityIds", [])
        found = [
            activity
            for group in groups
            if name in (None, group.name)
            for activity in group.activities
            if not ids or activity.activity_id in ids
        ]
        found.sort(key=lambda activity: activity.start_time, reverse=True)
        start = int(self._get_param("NextToken") or 0)
        end = start + int(self._get_param("MaxRecords") or 100)
        return ActionResult(
            {
                "Activities": found[start:end],
                "NextToken": str(end) if end < len(found) else None,
            }
        )

    def delete_auto_scaling_group(self) -> ActionResult:
        group = self._backend().group(self._get_param("AutoScalingGroupName"))
        if group.instance_states and not self._get_bool_param("ForceDelete", False):
            raise autoscaling_error(
                "ResourceInUse",
                "You cannot delete an AutoScalingGroup while there are instances or pending Spot "
                "instance request(s) still in the group.",
            )
        return super().delete_auto_scaling_group()

    def set_desired_capacity(self) -> ActionResult:
        group = self._backend().group(self._get_param("AutoScalingGroupName"))
        wanted = self._get_int_param("DesiredCapacity") or 0
        if wanted > (group.max_size or 0):
            raise autoscaling_error(
                "ValidationError",
                f"New SetDesiredCapacity value {wanted} is above max value {group.max_size} for "
                "the AutoScalingGroup.",
            )
        if wanted < (group.min_size or 0):
            raise autoscaling_error(
                "ValidationError",
                f"New SetDesiredCapacity value {wanted} is below min value {group.min_size} for "
                "the AutoScalingGroup.",
            )
        return super().set_desired_capacity()

    def _all_groups(self) -> list[LocalGroup]:
        backend = self._backend()
        return [*backend.autoscaling_groups.values(), *backend.deleted_groups]

    def _backend(self) -> LocalAutoScalingBackend:
        backend: Any = self.autoscaling_backend
        local: LocalAutoScalingBackend = backend
        return local


class LocalAutoScalingBackend(AutoScalingBackend):
    """One region's Auto Scaling."""

    cloud: ClassVar[Cloud]
    autoscaling_groups: dict[str, LocalGroup]  # type: ignore[assignment]

    def __init__(self, region_name: str, account_id: str) -> None:
        self.deleted_groups: list[LocalGroup] = []
        super().__init__(region_name, account_id)

    @property
    def _url_module(self) -> Any:
        return SimpleNamespace(
            url_bases=urls.url_bases, url_paths={"{0}/$": LocalAutoScalingResponse.dispatch}
        )

    def group(self, name: str) -> LocalGroup:
        """Return a group by its name.

        Raises:
            AutoscalingClientError: ValidationError: there is none.
        """
        if name not in self.autoscaling_groups:
            raise autoscaling_error(
                "ValidationError", f"AutoScalingGroup name not found - AutoScalingGroup '{name}'"
            )
        return self.autoscaling_groups[name]

    def create_auto_scaling_group(self, name: str, *args: Any, **kwargs: Any) -> Any:
        if name in self.autoscaling_groups:
            raise autoscaling_error(
                "AlreadyExists",
                "AutoScalingGroup by this name already exists - A group with the name "
                f"{name} already exists",
            )
        grace = kwargs.get("health_check_period")
        group = super().create_auto_scaling_group(name, *args, **kwargs)
        # moto makes 300 of 0, and of nothing; the API's default is 0.
        group.health_check_grace_period = int(grace or 0)
        return group

    def delete_auto_scaling_group(self, group_name: str) -> None:
        group = self.group(group_name)
        group.desired_capacity = 0
        for member in group.instance_states:
            group.retire(member, "an instance was taken out of service: the group is deleted.")
        self.deleted_groups.append(self.autoscaling_groups.pop(group_name))

    def resume_processes(self, group_name: str, scaling_processes: list[str]) -> None:
        super().resume_processes(group_name, scaling_processes)
        self.group(group_name).try_now()

    def set_instance_health(self, instance_id: str, health_status: str) -> None:
        self._member(instance_id)
        super().set_instance_health(instance_id, health_status)

    def terminate_instance(self, instance_id: str, should_decrement: bool) -> Any:
        group, member = self._member(instance_id)
        if should_decrement:
            wanted = (group.desired_capacity or 0) - 1
            if wanted < (group.min_size or 0):
                raise autoscaling_error(
                    "ValidationError",
                    "Currently, desiredSize equals minSize. Terminating instance without "
                    "replacement will violate group's min size constraint.",
                )
            group.desired_capacity = wanted
        return group.retire(
            member, "an instance was taken out of service in response to a user request."
        )

    def notify_terminate_instances(self, instance_ids: list[str]) -> None:
        """Nothing to do: groups are looked at after every request."""

    def _member(self, instance_id: str) -> tuple[LocalGroup, Any]:
        for group in self.autoscaling_groups.values():
            for member in group.instance_states:
                if member.instance.id == instance_id:
                    return group, member
        raise autoscaling_error(
            "ValidationError",
            f"Instance Id not found - No managed instance found for instance ID: {instance_id}",
        )


def keep_groups(cloud: Cloud) -> None:
    """Hold every group's capacity until the cloud closes; runs in a thread of its own.

    It waits for changes of the cloud, for the next attempt after a failed launch, and while
    there are members for the next look at their status checks, of which nobody tells.
    """
    with cloud.changed:
        while not cloud.closing:
            now = time.monotonic()
            groups: list[LocalGroup] = [
                group
                for _, _, backend in autoscaling_backends.iter_backends()
                for group in backend.autoscaling_groups.values()  # type: ignore[attr-defined]
            ]
            changed = False
            for group in groups:
                try:
                    changed |= group.reconcile(now, cloud.patience)
                except Exception:
                    log.exception("group %s could not be looked at", group.name)
                    group.next_launch = now + cloud.patience.relaunch_longest
            if changed:
                cloud.changed.notify_all()
            cloud.changed.wait(_pause(groups, cloud.patience.health_check))


def _pause(groups: list[LocalGroup], health_check: float) -> float | None:
    now = time.monotonic()
    pauses = [max(0.0, group.next_launch - now) for group in groups if group.wants_to_launch()]
    if any(group.instance_states for group in groups):
        pauses.append(health_check)
    return min(pauses, default=None)
