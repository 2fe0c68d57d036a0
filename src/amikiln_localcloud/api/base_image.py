"""The image that every local cloud offers from the start."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from moto.ec2.models import ec2_backends

from amikiln_localcloud.api.cloud import Cloud
from amikiln_localcloud.api.ec2.images import LocalImage, LocalSnapshot
from amikiln_localcloud.api.records import RootVolume
from amikiln_localcloud.home import ACCOUNT_ID, REGION
from amikiln_localcloud.machines.contract import SnapshotFiles

NAME = "amikiln-base-debian-13-x86_64"
DESCRIPTION = "Debian 13 with Docker, built by amikiln from Debian's packages"
OWNER = "136693071363"
"""Debian's account: https://wiki.debian.org/Cloud/AmazonEC2Image"""


def register_base(
    cloud: Cloud, files: SnapshotFiles, *, key: str, size_gib: int, name: str = NAME
) -> LocalImage:
    """Register a base image, public and owned by Debian, in the home region.

    Args:
        cloud: The cloud that offers it.
        files: The image's disk and kernel, which stay where they are.
        key: What the image's ids are derived from: the same content has the same ids.
        size_gib: Size of its root file system.
        name: Its AMI name.
    """
    digest = hashlib.sha256(f"{name} {key}".encode()).hexdigest()[:17]
    image_id, snapshot_id = f"ami-{digest}", f"snap-{digest}"
    # The same at each start of the daemon.
    created = datetime.fromtimestamp(files.disk.stat().st_mtime, UTC).replace(tzinfo=None)
    with cloud.change():
        cloud.snapshots.register(snapshot_id, files)
        backend: Any = ec2_backends[ACCOUNT_ID][REGION]
        snapshot = LocalSnapshot(
            backend,
            snapshot_id,
            size_gib,
            DESCRIPTION,
            status="completed",
            from_ami=image_id,
            owner_id=OWNER,
        )
        snapshot.start_time = created
        image = LocalImage(
            backend,
            image_id,
            RootVolume("/dev/sda1", snapshot_id, size_gib),
            name=name,
            description=DESCRIPTION,
            owner_id=OWNER,
            public=True,
            creation_date=created,
            architecture="x86_64",
            snapshot=snapshot,
        )
        backend.amis[image_id] = image
    return image
