"""The local cloud's Auto Scaling, put together, and the loop that maintains its groups."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace
from typing import Any

from moto.autoscaling import urls
from moto.autoscaling.exceptions import InvalidInstanceError
from moto.autoscaling.models import (
    AutoScalingBackend,
    FakeLaunchConfiguration,
    autoscaling_backends,
)
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult
from moto.ec2.exceptions import InvalidInstanceIdError

from amikiln_localcloud.api.authorization import AuthorizedRequests
from amikiln_localcloud.api.autoscaling.groups import LocalGroup
from amikiln_localcloud.api.cloud import Cloud
from amikiln_localcloud.api.errors import autoscaling_error

log = logging.getLogger("amikiln.groups")


class LocalAutoScalingResponse(AuthorizedRequests, AutoScalingResponse):
    """Parses and answers Auto Scaling's requests."""

    def describe_scaling_activities(self) -> ActionResult:
        groups = self._get_groups()
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
        group = self._backend.find_group(self._get_param("AutoScalingGroupName"))
        if group.instance_states and not self._get_bool_param("ForceDelete", False):
            raise autoscaling_error(
                "ResourceInUse",
                "You cannot delete an AutoScalingGroup while there are instances or pending Spot "
                "instance request(s) still in the group.",
            )
        return super().delete_auto_scaling_group()

    def set_desired_capacity(self) -> ActionResult:
        group = self._backend.find_group(self._get_param("AutoScalingGroupName"))
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

    def _get_groups(self) -> list[LocalGroup]:
        backend = self._backend
        return [*backend.autoscaling_groups.values(), *backend.deleted_groups]

    @property
    def _backend(self) -> LocalAutoScalingBackend:
        backend: Any = self.autoscaling_backend
        return backend  # type: ignore[no-any-return]


class LocalAutoScalingBackend(AutoScalingBackend):
    """One region's Auto Scaling."""

    autoscaling_groups: dict[str, LocalGroup]  # type: ignore[assignment]

    def __init__(self, region_name: str, account_id: str) -> None:
        self.deleted_groups: list[LocalGroup] = []
        super().__init__(region_name, account_id)

    @property
    def _url_module(self) -> Any:
        return SimpleNamespace(
            url_bases=urls.url_bases, url_paths={"{0}/$": LocalAutoScalingResponse.dispatch}
        )

    def find_group(self, name: str) -> LocalGroup:
        """Return a group by its name.

        Raises:
            AutoscalingClientError: ValidationError: there is none.
        """
        if name not in self.autoscaling_groups:
            raise autoscaling_error(
                "ValidationError", f"AutoScalingGroup name not found - AutoScalingGroup '{name}'"
            )
        return self.autoscaling_groups[name]

    def create_auto_scaling_group(  # type: ignore[override]
        self,
        name: str,
        *,
        launch_config_name: str | None,
        launch_template: dict[str, Any] | None,
        instance_id: str | None = None,
        mixed_instances_policy: dict[str, Any] | None = None,
        health_check_period: int | str | None = None,
        capacity_rebalance: bool = False,
        **settings: Any,
    ) -> LocalGroup:
        """Make a group, which launches its machines by itself.

        moto's method can make moto's own groups only. It also makes 300 seconds of a grace period
        of 0, and of none; the API's default is 0.

        Raises:
            AutoscalingClientError: AlreadyExists or ValidationError.
        """
        if name in self.autoscaling_groups:
            raise autoscaling_error(
                "AlreadyExists",
                "AutoScalingGroup by this name already exists - A group with the name "
                f"{name} already exists",
            )
        sources = [launch_config_name, launch_template, instance_id, mixed_instances_policy]
        if sum(bool(source) for source in sources) != 1:
            raise autoscaling_error(
                "ValidationError",
                "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, "
                "InstanceId or MixedInstancesPolicy parameter.",
            )
        if instance_id:
            launch_config_name = name
            self._create_launch_configuration(name, instance_id)
        for size in ("desired_capacity", "max_size", "min_size", "default_cooldown"):
            if settings[size] is not None:
                settings[size] = int(settings[size])
        group = LocalGroup(  # type: ignore[abstract]  # as moto's own is
            name=name,
            launch_config_name=launch_config_name,
            launch_template=launch_template,
            mixed_instances_policy=mixed_instances_policy,
            health_check_period=int(health_check_period or 0),
            capacity_rebalance=capacity_rebalance,
            autoscaling_backend=self,
            ec2_backend=self.ec2_backend,
            **settings,
        )
        group.check_launches()
        self.autoscaling_groups[name] = group
        self.update_attached_elbs(name)
        self.update_attached_target_groups(name)
        return group

    def _create_launch_configuration(self, name: str, instance_id: str) -> None:
        try:
            instance = self.ec2_backend.get_instance(instance_id)
        except InvalidInstanceIdError:
            raise InvalidInstanceError(instance_id) from None
        FakeLaunchConfiguration.create_from_instance(name, instance, self)

    def delete_auto_scaling_group(self, group_name: str) -> None:
        group = self.find_group(group_name)
        group.desired_capacity = 0
        for member in group.instance_states:
            group.terminate_member(
                member, "an instance was taken out of service: the group is deleted."
            )
        self.deleted_groups.append(self.autoscaling_groups.pop(group_name))

    def resume_processes(self, group_name: str, scaling_processes: list[str]) -> None:
        super().resume_processes(group_name, scaling_processes)
        self.find_group(group_name).reset_backoff()

    def set_instance_health(self, instance_id: str, health_status: str) -> None:
        self._find_member(instance_id)
        super().set_instance_health(instance_id, health_status)

    def terminate_instance(self, instance_id: str, should_decrement: bool) -> Any:
        group, member = self._find_member(instance_id)
        if should_decrement:
            wanted = (group.desired_capacity or 0) - 1
            if wanted < (group.min_size or 0):
                raise autoscaling_error(
                    "ValidationError",
                    "Currently, desiredSize equals minSize. Terminating instance without "
                    "replacement will violate group's min size constraint.",
                )
            group.desired_capacity = wanted
        return group.terminate_member(
            member, "an instance was taken out of service in response to a user request."
        )

    def notify_terminate_instances(self, instance_ids: list[str]) -> None:
        """Do nothing: groups are reconciled after every request."""

    def _find_member(self, instance_id: str) -> tuple[LocalGroup, Any]:
        for group in self.autoscaling_groups.values():
            for member in group.instance_states:
                if member.instance.id == instance_id:
                    return group, member
        raise autoscaling_error(
            "ValidationError",
            f"Instance Id not found - No managed instance found for instance ID: {instance_id}",
        )


def maintain_groups(cloud: Cloud) -> None:
    """Keep every group at its desired capacity until the cloud closes; runs in its own thread.

    It waits for changes of the cloud, for the next attempt after a failed launch, and while there
    are members for the next check of their status, of whose changes there is no notice.
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
                    changed |= group.reconcile(now, cloud.timeouts)
                except Exception:
                    log.exception("group %s could not be reconciled", group.name)
                    group.next_launch = now + cloud.timeouts.relaunch_longest
            if changed:
                cloud.changed.notify_all()
            cloud.changed.wait(_get_pause(groups, cloud.timeouts.health_check))


def _get_pause(groups: list[LocalGroup], health_check: float) -> float | None:
    now = time.monotonic()
    pauses = [max(0.0, group.next_launch - now) for group in groups if group.needs_launch()]
    if any(group.instance_states for group in groups):
        pauses.append(health_check)
    return min(pauses, default=None)
