"""Where EC2 has no room for a machine: which of its codes leads where.

Codes of a refused RunInstances: https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html
Of an instance that ended before it ran:
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Elsewhere(Enum):
    """Where the machine may still find room."""

    ANYWHERE = "in another zone, or as another type"
    ZONE = "in another zone"
    TYPE = "as another type"
    NOWHERE = "nowhere"


A, Z, T, N = Elsewhere.ANYWHERE, Elsewhere.ZONE, Elsewhere.TYPE, Elsewhere.NOWHERE
LIMIT = "raise that quota of the account, or free some of it"

CAPACITY: Mapping[str, tuple[Elsewhere, str]] = {
    "InsufficientInstanceCapacity": (A, "EC2 has none left of this type in this zone"),
    "InsufficientCapacity": (A, "EC2 has none left of this type in this zone"),
    "InsufficientCapacityOnHost": (A, "the dedicated host is full"),
    "InsufficientHostCapacity": (A, "EC2 has no dedicated host left in this zone"),
    "InsufficientReservedInstanceCapacity": (A, "no reserved instance is left in this zone"),
    "ReservationCapacityExceeded": (A, "the capacity reservation is used up"),
    "InsufficientVolumeCapacity": (Z, "EBS has no room for the volume in this zone"),
    "VolumeTypeNotAvailableInZone": (Z, "the zone has no volumes of this type"),
    "InsufficientFreeAddressesInSubnet": (Z, "the subnet has no free addresses"),
    "InsufficientAddressCapacity": (Z, "the zone has no free public addresses"),
    "SpotMaxPriceTooLow": (A, "the Spot price is higher than what is offered"),
    "Unsupported": (A, "this zone does not have this type, or not with what is asked for"),
    "InstanceLimitExceeded": (T, "the account's quota for this type is used up"),
    "VcpuLimitExceeded": (T, "the account's quota of vCPUs for this family is used up"),
    "HostLimitExceeded": (T, "the account's quota of dedicated hosts is used up"),
    "MaxSpotInstanceCountExceeded": (T, "the account's quota of Spot instances is used up"),
    "UnsupportedOperation": (T, "this type is not supported with this image"),
    "NetworkInterfaceLimitExceeded": (N, f"the quota of network interfaces is used up: {LIMIT}"),
    "VolumeLimitExceeded": (N, f"the account's quota of EBS storage is used up: {LIMIT}"),
    "MaxIOPSLimitExceeded": (N, f"the account's quota of IOPS is used up: {LIMIT}"),
    "PendingVerification": (N, "AWS is still verifying the account: try again in some hours"),
    "Blocked": (N, "AWS has blocked the account: ask its support"),
    "OptInRequired": (N, "the account has not subscribed to the source image, or to EC2"),
}
"""RunInstances' codes: where else to try, and what the code means."""

ENDED_EARLY: Mapping[str, tuple[Elsewhere, str]] = {
    "Server.InsufficientInstanceCapacity": CAPACITY["InsufficientInstanceCapacity"],
    "Server.InternalError": (A, "EC2 failed to start it"),
    "Server.SpotInstanceTermination": (A, "EC2 took the Spot capacity back"),
    "Client.VolumeLimitExceeded": CAPACITY["VolumeLimitExceeded"],
    "Client.InternalError": (N, "mostly a KMS key of the volume that the caller may not use"),
    "Client.InvalidSnapshot.NotFound": (N, "the snapshot of the image is gone"),
}
"""Reasons for which an instance ended before it ran, likewise."""


class NoCapacity(Exception):
    """EC2 has no room for a machine as it was asked for.

    Attributes:
        elsewhere: Where it may still have room.
    """

    def __init__(self, code: str, message: str, elsewhere: Elsewhere, meaning: str) -> None:
        super().__init__(f"{code}: {meaning} ({message})")
        self.elsewhere = elsewhere


def find_refusal(code: str, message: str) -> NoCapacity | None:
    """Return what a refused RunInstances says about capacity; None: it is about something else."""
    found = CAPACITY.get(code)
    return NoCapacity(code, message, *found) if found else None


def find_early_end(code: str, message: str) -> NoCapacity | None:
    """Return what an instance's end before it ran says about capacity; None: nothing."""
    found = ENDED_EARLY.get(code)
    return NoCapacity(code, message, *found) if found else None
