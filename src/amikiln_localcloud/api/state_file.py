"""What survives the daemon: images, snapshots and parameters, in one JSON file.

The file is replaced as a whole and only when its content changed, so that a daemon that is
killed leaves the content before or after a change, never something between.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from amikiln.errors import LocalCloudError
from amikiln.runtime.files import write_atomically

FORMAT = 1


@dataclass(frozen=True)
class SnapshotRecord:
    """An EBS snapshot that is complete. Sizes are in GiB, times in ISO 8601."""

    region: str
    id: str
    size: int
    description: str
    started: str
    from_image: str | None
    tags: dict[str, str]


@dataclass(frozen=True)
class ImageRecord:
    """An image that is available. Its snapshot has a record of its own."""

    region: str
    id: str
    name: str
    description: str
    created: str
    architecture: str
    snapshot: str
    root_volume: dict[str, Any]
    launch_permissions: list[dict[str, str]]
    source_instance: str | None
    source_image: str | None
    deprecation_time: str | None
    tags: dict[str, str]
    imds_support: str | None = None


@dataclass(frozen=True)
class ParameterVersionRecord:
    """One version of a parameter. A SecureString's value is not encrypted here."""

    number: int
    value: str
    type: str
    data_type: str
    description: str | None
    allowed_pattern: str | None
    key_id: str | None
    tier: str | None
    modified: str
    labels: list[str]


@dataclass(frozen=True)
class ParameterRecord:
    region: str
    name: str
    versions: list[ParameterVersionRecord]
    tags: dict[str, str]


@dataclass(frozen=True)
class Holdings:
    """Everything that the ledger knows."""

    snapshots: list[SnapshotRecord] = field(default_factory=list)
    images: list[ImageRecord] = field(default_factory=list)
    parameters: list[ParameterRecord] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Holdings:
        """Read what ``to_json`` gave.

        Raises:
            KeyError, TypeError, ValueError: It is something else.
        """
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']} is not {FORMAT}")
        return cls(
            snapshots=[SnapshotRecord(**one) for one in data["snapshots"]],
            images=[ImageRecord(**one) for one in data["images"]],
            parameters=[
                ParameterRecord(
                    **{
                        **one,
                        "versions": [ParameterVersionRecord(**part) for part in one["versions"]],
                    }
                )
                for one in data["parameters"]
            ],
        )


class Ledger:
    """Writes holdings when they changed.

    Attributes:
        collect: Returns what is held now; set by the overrides, which know moto's objects.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: str | None = None
        self.collect: Callable[[], Holdings] | None = None

    def load(self) -> Holdings:
        """Return what the file says; nothing if there is none.

        Raises:
            LocalCloudError: The file is not a ledger. To go on without it would remove every
                snapshot as unknown.
        """
        try:
            text = self._path.read_text()
        except FileNotFoundError:
            return Holdings()
        try:
            return Holdings.from_json(json.loads(text))
        except (KeyError, TypeError, ValueError) as error:
            raise LocalCloudError(
                f"the local cloud's ledger {self._path} cannot be read: {error}",
                hint="mend it, or remove all images and parameters: amikiln cloud reset",
            ) from error

    def write(self) -> None:
        """Replace the file if what is held differs from what was written last.

        Raises:
            OSError: The disk is full or the directory is gone; the old file is untouched.
        """
        if self.collect is None:
            return
        text = json.dumps(self.collect().to_json(), indent=1)
        if text == self._written:
            return
        write_atomically(self._path, text, mode=0o600)
        self._written = text
