"""The states of instances, and the reasons for them as the API reports them.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceState.html and
API_StateReason.html there.
"""

from __future__ import annotations

from moto.core.utils import utcnow
from moto.ec2.models.instances import StateReason

CODES = {
    "pending": 0,
    "running": 16,
    "shutting-down": 32,
    "terminated": 48,
    "stopping": 64,
    "stopped": 80,
}
BY_USER = StateReason(
    "Client.UserInitiatedShutdown: User initiated shutdown", "Client.UserInitiatedShutdown"
)
BY_GUEST = StateReason(
    "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
    "Client.InstanceInitiatedShutdown",
)


def describe_server_error(why: str) -> StateReason:
    """Return the reason for a failure of the local cloud, not of the guest or the request."""
    return StateReason(f"Server.InternalError: {why}", "Server.InternalError")


def describe_transition(reason: StateReason, *, by_user: bool) -> str:
    """Return StateTransitionReason: who or what, and when."""
    when = utcnow().strftime("%Y-%m-%d %H:%M:%S GMT")
    return f"{'User initiated' if by_user else reason.message} ({when})"
