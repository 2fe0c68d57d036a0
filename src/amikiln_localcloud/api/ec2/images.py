"""Images and snapshots with files: their states, block device mappings and deprecation.

moto's images are names only: available at once, 15 GiB, without block device mappings.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from moto.ec2.models import EC2Backend
from moto.ec2.models.amis import Ami
from moto.ec2.models.elastic_block_store import Snapshot

from amikiln_localcloud.api.records import RootVolume


class SnapshotVolume:
    """The volume that moto's snapshots point to: only its size and id are used here."""

    def __init__(self, size: int) -> None:
        self.size = size
        # What EC2 reports for the volume of a snapshot that was not made from one of ours.
        self.id = "vol-ffffffff"


class LocalSnapshot(Snapshot):
    """A snapshot whose files take a while to write."""

    def __init__(
        self,
        backend: EC2Backend,
        snapshot_id: str,
        size: int,
        description: str,
        *,
        status: str,
        from_ami: str | None,
        owner_id: str | None = None,
    ) -> None:
        super().__init__(
            backend,
            snapshot_id,
            SnapshotVolume(size),
            description,
            owner_id=owner_id,
            from_ami=from_ami,
        )
        self.status = status

    @property
    def progress(self) -> str:
        return "100%" if self.status == "completed" else "0%"


class LocalImage(Ami):
    """An image with one root volume, backed by a snapshot with files."""

    def __init__(
        self, backend: EC2Backend, image_id: str, root_volume: RootVolume, **facts: Any
    ) -> None:
        # moto makes a 15 GiB snapshot for every image, which this one replaces.
        snapshot: LocalSnapshot = facts.pop("snapshot")
        before = set(backend.snapshots)
        super().__init__(
            backend,
            image_id,
            root_device_type="ebs",
            root_device_name=root_volume.device_name,
            virtualization_type="hvm",
            hypervisor="xen",
            **facts,
        )
        for made in set(backend.snapshots) - before:
            del backend.snapshots[made]
        self.ebs_snapshot = snapshot
        backend.snapshots[snapshot.id] = snapshot
        self.root_volume = root_volume
        self.deprecation_time: str | None = None
        self.imds_support: str | None = None
        self.state_reason: dict[str, str] | None = None
        self.source_image_id: str | None = None
        self.image_location = f"{self.owner_id}/{self.name}"

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        return [self.root_volume.to_mapping()]

    @property
    def public(self) -> bool:
        return self.is_public

    def is_deprecated(self, now: datetime) -> bool:
        """Return whether the deprecation time has passed; ``now`` has a time zone."""
        if self.deprecation_time is None:
            return False
        return datetime.fromisoformat(self.deprecation_time) <= now
