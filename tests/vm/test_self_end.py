"""A machine whose controller died ends by itself. Last, for the others' minutes count, too."""

from __future__ import annotations

from typing import Any

import pytest

from vm.local_cloud import LocalCloud

pytestmark = pytest.mark.vm

END_SECONDS = 900
"""The five minutes of its timer, its boot, and a busy host."""


def test_a_machine_whose_controller_died_ends_by_itself(
    local_cloud: LocalCloud, left_alone: str
) -> None:
    def ended() -> dict[str, Any] | None:
        found = local_cloud.ec2.describe_instances(InstanceIds=[left_alone])
        machine: dict[str, Any] = found["Reservations"][0]["Instances"][0]
        return machine if machine["State"]["Name"] == "terminated" else None

    machine = local_cloud.waiter.until(
        ended, what="the abandoned machine to end itself", deadline_seconds=END_SECONDS
    )
    assert machine["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
