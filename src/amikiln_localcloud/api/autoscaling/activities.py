"""What Auto Scaling groups consist of, and the activities that they report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moto.autoscaling.models import Activity, FakeAutoScalingGroup, InstanceState


class LocalActivity(Activity):
    """A scaling activity; open until it is closed."""

    def __init__(self, group: FakeAutoScalingGroup, description: str, cause: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        super().__init__(description, f"At {now} {cause}", group)
        self.end_time: datetime | None = None  # type: ignore[assignment]
        self.status_message: str | None = None
        self.details = "{}"

    def close(self, failure: str | None = None) -> None:
        """Record how the activity ended.

        Args:
            failure: Why it failed; None if it did not.
        """
        self.end_time = datetime.now(UTC)
        self.progress = 100
        self.status_code = "Successful" if failure is None else "Failed"
        if failure is not None:
            self.status_message = failure
            self.description += f"  Status Reason: {failure}"


class Member(InstanceState):
    """An instance of a group, with the launch template version that it was launched from."""

    def __init__(self, instance: Any, template: dict[str, Any] | None, protected: bool) -> None:
        super().__init__(instance, lifecycle_state="Pending", protected_from_scale_in=protected)
        self._template = template

    @property
    def launch_template(self) -> dict[str, Any] | None:
        return self._template
