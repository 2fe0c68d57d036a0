"""The images that every local cloud offers from the start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.ec2.models import ec2_backends

from amikiln_localcloud.api.cloud import Cloud
from amikiln_localcloud.api.ec2.images import LocalImage, LocalSnapshot
from amikiln_localcloud.api.records import RootVolume
from amikiln_localcloud.home import ACCOUNT_ID, REGION
from amikiln_localcloud.machines.contract import SnapshotFiles
from amikiln_localcloud.machines.elastic_stack import IMAGE_NAME, OWNER, VERSION, compute_ids


@dataclass(frozen=True)
class Offer:
    """An image to offer.

    Attributes:
        name: Its AMI name.
        description: What is in it.
        owner: Whose it is: an account number.
        root_device: Where its volume is attached.
    """

    name: str
    description: str
    owner: str
    root_device: str


DEBIAN = Offer(
    "amikiln-base-debian-13-x86_64",
    "Debian 13 with Docker, built by amikiln from Debian's packages",
    # Debian's account: https://wiki.debian.org/Cloud/AmazonEC2Image
    "136693071363",
    "/dev/sda1",
)
ELASTIC_STACK = Offer(
    IMAGE_NAME,
    f"Stands for the image of Buildkite's Elastic CI Stack {VERSION}: Debian 13 with Docker, and"
    " with scripts, units and hooks of the same names and effects",
    OWNER,
    "/dev/xvda",
)


def register_base(
    cloud: Cloud,
    files: SnapshotFiles,
    *,
    key: str,
    size_gib: int,
    offer: Offer = DEBIAN,
    make: Callable[[], object] | None = None,
) -> LocalImage:
    """Register a base image, public, in the home region.

    Args:
        cloud: The cloud that offers it.
        files: The image's disk and kernel, which stay where they are.
        key: What the image's ids are derived from: the same content has the same ids.
        size_gib: Size of its root file system.
        offer: What it is.
        make: Makes the files when a machine is first launched from it; None: they are there.
    """
    image_id, snapshot_id = compute_ids(offer.name, key)
    # The same at each start of the daemon.
    age = files.disk.stat().st_mtime if make is None else 0
    created = datetime.fromtimestamp(age, UTC).replace(tzinfo=None)
    with cloud.change():
        cloud.snapshots.register(snapshot_id, files, make)
        backend: Any = ec2_backends[ACCOUNT_ID][REGION]
        snapshot = LocalSnapshot(
            backend,
            snapshot_id,
            size_gib,
            offer.description,
            status="completed",
            from_ami=image_id,
            owner_id=offer.owner,
        )
        snapshot.start_time = created
        image = LocalImage(
            backend,
            image_id,
            RootVolume(offer.root_device, snapshot_id, size_gib),
            name=offer.name,
            description=offer.description,
            owner_id=offer.owner,
            public=True,
            creation_date=created,
            architecture="x86_64",
            snapshot=snapshot,
        )
        backend.amis[image_id] = image
    return image
