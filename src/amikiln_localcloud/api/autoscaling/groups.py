"""Auto Scaling groups that keep their desired capacity with machines that boot and end.

moto launches once, while the request waits, from its default template version, and replaces
only what TerminateInstances ended. Here every group is reconciled after every change of the
cloud: what ended is replaced, from the image that the launch template names at that moment.
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from moto.autoscaling.exceptions import AutoscalingClientError
from moto.autoscaling.models import InstanceState
from moto.core.exceptions import ServiceException

from amikiln_localcloud.api.autoscaling.activities import LocalActivity, Member
from amikiln_localcloud.api.autoscaling.launches import LaunchingGroup
from amikiln_localcloud.api.cloud import Timeouts
from amikiln_localcloud.api.ec2.instances import LocalInstance
from amikiln_localcloud.api.errors import autoscaling_error

MOST_ACTIVITIES = 500


class LocalGroup(LaunchingGroup):
    """A group that ``reconcile`` keeps at its capacity. Used inside ``Cloud.change()`` only."""

    desired_capacity: int | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.activities: list[LocalActivity] = []
        self.consecutive_failures = 0
        self.next_launch = 0.0
        self._launches: dict[str, LocalActivity] = {}
        self.provided_launch_template_version: str | None = None
        super().__init__(*args, **kwargs)
        _check_sizes(self.min_size, self.max_size, self.desired_capacity)

    # -- requests ---------------------------------------------------------------------------

    @property
    def launch_template(self) -> dict[str, Any] | None:
        """None for a group with a mixed instances policy, which has its own."""
        return None if self.mixed_instances_policy else super().launch_template

    def set_desired_capacity(self, new_capacity: int | None) -> None:
        self.desired_capacity = self.min_size if new_capacity is None else new_capacity
        self.reset_backoff()

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Keep the mixed instances policy unless the request names another source of launches."""
        least = kwargs.get("min_size") if kwargs.get("min_size") is not None else self.min_size
        most = kwargs.get("max_size") if kwargs.get("max_size") is not None else self.max_size
        desired = kwargs.get("desired_capacity")
        if desired is None:
            desired = min(max(self.desired_capacity or 0, least or 0), most or 0)
        _check_sizes(least, most, desired)
        known = self.mixed_instances_policy
        policy = kwargs.get("mixed_instances_policy")
        if policy and known:
            policy.setdefault("InstancesDistribution", known["InstancesDistribution"])
        before = dict(self.__dict__)
        super().update(*args, **{**kwargs, "desired_capacity": desired})
        if not (policy or kwargs.get("launch_template") or kwargs.get("launch_config_name")):
            self.mixed_instances_policy = known
            return
        try:
            self.check_launches()
        except AutoscalingClientError:
            self.__dict__ = before
            raise

    def reset_backoff(self) -> None:
        """Let the next launch happen at once: whoever requests a change expects an attempt."""
        self.consecutive_failures = 0
        self.next_launch = 0.0

    def is_suspended(self, process: str) -> bool:
        return process in {str(one["ProcessName"]) for one in self.suspended_processes}

    def terminate_member(self, member: InstanceState, cause: str) -> LocalActivity:
        """Terminate a member, which no longer counts towards the capacity."""
        member.lifecycle_state = "Terminating"
        activity = self._add_activity(f"Terminating EC2 instance: {member.instance.id}", cause)
        member.instance.terminate()
        activity.close()
        return activity

    def needs_launch(self) -> bool:
        """Return whether a launch is due, now or at ``next_launch``."""
        missing = (self.desired_capacity or 0) - len(self._get_active_members())
        return missing > 0 and not self.is_suspended("Launch")

    # -- reconciliation ---------------------------------------------------------------------

    def reconcile(self, now: float, timeouts: Timeouts) -> bool:
        """Bring the group closer to its desired state; return whether anything changed.

        Args:
            now: Seconds of a monotonic clock.
            timeouts: The pauses after launches that failed.
        """
        changed = False
        for member in list(self.instance_states):
            changed |= self._check_member(member, now, timeouts)
        while self.needs_launch() and now >= self.next_launch:
            self._launch(now, timeouts)
            changed = True
        surplus = len(self._get_active_members()) - (self.desired_capacity or 0)
        if surplus > 0 and not self.is_suspended("Terminate"):
            free = [
                member
                for member in self._get_active_members()
                if not member.protected_from_scale_in
            ]
            free.sort(key=lambda member: member.instance.launch_time)
            for member in free[:surplus]:
                self.terminate_member(
                    member, "an instance was taken out of service: capacity shrinks."
                )
                changed = True
        return changed

    def _get_active_members(self) -> list[InstanceState]:
        return [
            member
            for member in self.instance_states
            if member.lifecycle_state in ("Pending", "InService")
        ]

    def _check_member(self, member: InstanceState, now: float, timeouts: Timeouts) -> bool:
        instance: Any = member.instance
        state = instance.state
        if state in ("shutting-down", "terminated") or member.lifecycle_state == "Terminating":
            launch = self._launches.pop(instance.id, None)
            if launch:
                why = f"{instance.state_reason.message}. Launching EC2 instance failed."
                self._fail_launch(launch, why, now, timeouts)
            elif member.lifecycle_state != "Terminating":
                activity = self._add_activity(
                    f"Terminating EC2 instance: {instance.id}",
                    "an instance was taken out of service in response to an EC2 health check "
                    "indicating it has been terminated or stopped.",
                )
                activity.close()
            before, member.lifecycle_state = member.lifecycle_state, "Terminating"
            if state == "terminated":
                self.instance_states.remove(member)
                return True
            return before != "Terminating"
        if state == "running" and member.lifecycle_state == "Pending":
            member.lifecycle_state = "InService"
            if launch := self._launches.pop(instance.id, None):
                launch.close()
            self.consecutive_failures = 0
            return True
        if self._is_unhealthy(member) and not self.is_suspended("ReplaceUnhealthy"):
            member.health_status = "Unhealthy"
            self.terminate_member(
                member,
                "an instance was taken out of service in response to an EC2 health check.",
            )
            return True
        return False

    def _is_unhealthy(self, member: InstanceState) -> bool:
        instance: Any = member.instance
        if member.lifecycle_state == "Standby":
            return False
        if member.health_status == "Unhealthy" or instance.state in ("stopping", "stopped"):
            return True
        if self.is_suspended("HealthCheck") or not isinstance(instance, LocalInstance):
            return False
        age = (datetime.now(UTC) - _add_time_zone(instance.launch_time)).total_seconds()
        return (
            age >= (self.health_check_grace_period or 0)
            and instance.instance_status["Status"] == "impaired"
        )

    def _launch(self, now: float, timeouts: Timeouts) -> None:
        activity = self._add_activity(
            "Launching a new EC2 instance",
            "an instance was started in response to a difference between desired and actual "
            "capacity.",
        )
        failure = "the group has nothing to launch from"
        for template, instance_type in self.iterate_launch_sources():
            try:
                instance = self.run_instance(template, instance_type)
            except ServiceException as error:
                failure = error.message
                continue
            activity.description += f": {instance.id}"
            self._launches[instance.id] = activity
            instance.autoscaling_group = self
            self.instance_states.append(
                Member(instance, template, self.new_instances_protected_from_scale_in)
            )
            return
        why = f"{failure.rstrip('.')}. Launching EC2 instance failed."
        self._fail_launch(activity, why, now, timeouts)

    def _fail_launch(
        self, activity: LocalActivity, why: str, now: float, timeouts: Timeouts
    ) -> None:
        activity.close(failure=why)
        pause = timeouts.relaunch_first * 2**self.consecutive_failures
        self.consecutive_failures = min(self.consecutive_failures + 1, 30)
        self.next_launch = now + min(pause, timeouts.relaunch_longest)

    def _add_activity(self, description: str, cause: str) -> LocalActivity:
        activity = LocalActivity(self, description, cause)
        activity.details = json.dumps({"Availability Zones": self.availability_zones})
        self.activities.insert(0, activity)
        del self.activities[MOST_ACTIVITIES:]
        return activity


def _check_sizes(least: int | None, most: int | None, desired: int | None) -> None:
    if (least or 0) > (most or 0):
        raise autoscaling_error(
            "ValidationError",
            f"Max bound, {most}, must be greater than or equal to min bound, {least}",
        )
    if not (least or 0) <= (desired or 0) <= (most or 0):
        raise autoscaling_error(
            "ValidationError",
            f"Desired capacity:{desired} must be between the specified min size:{least} and max "
            f"size:{most}",
        )


def _add_time_zone(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
