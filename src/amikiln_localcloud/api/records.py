"""What the local cloud remembers of images, snapshots and parameters when it is down."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(strict=True, extra="forbid")


class Record(BaseModel):
    """A part of the state file: frozen, and read strictly."""

    model_config = ConfigDict(frozen=True, **STRICT)


@dataclass(frozen=True, config=STRICT)
class RootVolume:
    """An instance's or an image's only volume.

    Attributes:
        device_name: As the guest's block device is called in the API: ``/dev/sda1``.
        snapshot_id: The snapshot with its content.
        size: In GiB.
        type: EBS's volume type.
        iops: None: the type's default.
        throughput: In MiB/s; None: the type's default.
    """

    device_name: str
    snapshot_id: str | None
    size: int
    type: str = "gp3"
    iops: int | None = None
    throughput: int | None = None

    def to_mapping(self) -> dict[str, Any]:
        """Return the volume as a block device mapping of an image."""
        ebs: dict[str, Any] = {
            "DeleteOnTermination": True,
            "SnapshotId": self.snapshot_id,
            "VolumeSize": self.size,
            "VolumeType": self.type,
            "Encrypted": False,
        }
        if self.iops is not None:
            ebs["Iops"] = self.iops
        if self.throughput is not None:
            ebs["Throughput"] = self.throughput
        return {"DeviceName": self.device_name, "Ebs": ebs}


class SnapshotRecord(Record):
    """A complete EBS snapshot. ``size`` is in GiB."""

    region: str
    id: str
    size: int
    description: str
    started: datetime
    from_image: str | None
    tags: dict[str, str]


class ImageRecord(Record):
    """An available image. Its snapshot has a record of its own."""

    region: str
    id: str
    name: str
    description: str
    created: datetime
    architecture: str
    snapshot: str
    root_volume: RootVolume
    launch_permissions: list[dict[str, str]]
    source_instance: str | None
    source_image: str | None
    deprecation_time: str | None
    tags: dict[str, str]
    imds_support: str | None = None


class ParameterVersionRecord(Record):
    """One version of a parameter. A SecureString's value is not encrypted here."""

    number: int
    value: str
    type: str
    data_type: str
    description: str | None
    allowed_pattern: str | None
    key_id: str | None
    tier: str | None
    modified: datetime
    labels: list[str]


class ParameterRecord(Record):
    """A parameter with its versions, the oldest first."""

    region: str
    name: str
    versions: list[ParameterVersionRecord]
    tags: dict[str, str]


class State(Record):
    """Everything that survives ``cloud down``."""

    format: Literal[1] = 1
    snapshots: list[SnapshotRecord] = []
    images: list[ImageRecord] = []
    parameters: list[ParameterRecord] = []
