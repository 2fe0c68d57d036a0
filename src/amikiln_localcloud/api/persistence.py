"""From the ledger into moto's objects at start, and back after every change."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from datetime import datetime
from typing import Any

from amikiln_localcloud.api.cloud import Cloud
from amikiln_localcloud.api.ec2 import create_image
from amikiln_localcloud.api.ec2.images import LocalImage, LocalSnapshot
from amikiln_localcloud.api.ec2.volumes import RootVolume
from amikiln_localcloud.api.state_file import (
    Holdings,
    ImageRecord,
    ParameterRecord,
    ParameterVersionRecord,
    SnapshotRecord,
)
from amikiln_localcloud.home import ACCOUNT_ID, REGION
from amikiln_localcloud.machines.contract import SnapshotFiles

log = logging.getLogger("amikiln.ledger")

BASE_NAME = "amikiln-base-debian-13-x86_64"
BASE_OWNER = "136693071363"
"""Debian's account: https://wiki.debian.org/Cloud/AmazonEC2Image"""


def register_base(
    cloud: Cloud, files: SnapshotFiles, *, key: str, size_gib: int, name: str = BASE_NAME
) -> LocalImage:
    """Register a base image, public and Debian's, in the home region.

    Args:
        cloud: Where to.
        files: The image's disk and kernel, which stay where they are.
        key: What the image's ids are derived from: the same content has the same ids.
        size_gib: Size of its root file system.
        name: Its AMI name.
    """
    digest = hashlib.sha256(f"{name} {key}".encode()).hexdigest()[:17]
    with cloud.changing():
        return create_image.register_base(
            _ec2(REGION),
            image_id=f"ami-{digest}",
            snapshot_id=f"snap-{digest}",
            name=name,
            description="Debian 13 with Docker, built by amikiln from Debian's packages",
            owner_id=BASE_OWNER,
            size_gib=size_gib,
            files=files,
        )


def restore(cloud: Cloud) -> None:
    """Bring back what the ledger holds, drop what has no files, and keep the ledger from now on.

    Raises:
        OSError: The ledger cannot be read or written.
    """
    with cloud.changing(lasting=False):
        held = cloud.ledger.load()
        whole = {one.id for one in held.snapshots if cloud.snapshots.is_there(one.id)}
        for snapshot in held.snapshots:
            if snapshot.id in whole:
                _restore_snapshot(snapshot)
            else:
                log.warning("snapshot %s is dropped: its files are missing", snapshot.id)
        for image in held.images:
            if image.snapshot in whole:
                _restore_image(image)
            else:
                log.warning(
                    "image %s is dropped: files of %s are missing", image.id, image.snapshot
                )
        for parameter in held.parameters:
            _restore_parameter(parameter)
        for name in cloud.snapshots.sweep(whole):
            log.warning("removed %s: a snapshot that was not finished, or is not known", name)
        cloud.ledger.collect = _collect
        cloud.ledger.write()


def _collect() -> Holdings:
    from moto.ec2.models import ec2_backends
    from moto.ssm.models import ssm_backends

    snapshots, found, parameters = [], [], []
    for account, region, backend in ec2_backends.iter_backends():
        ec2: Any = backend
        # Base images are registered anew at each start, from the cache.
        snapshots += [
            _snapshot_record(region, one)
            for one in ec2.snapshots.values()
            if one.owner_id == account == ACCOUNT_ID
            and isinstance(one, LocalSnapshot)
            and one.status == "completed"
        ]
        found += [
            _image_record(region, one)
            for one in ec2.amis.values()
            if one.owner_id == account == ACCOUNT_ID and one.state == "available"
        ]
    for account, region, backend in ssm_backends.iter_backends():
        ssm: Any = backend
        if account == ACCOUNT_ID:
            parameters += [
                _parameter_record(region, ssm, name, versions)
                for name, versions in ssm._parameters.items()
                # moto's own public parameters are not ours to keep.
                if versions and not name.startswith("/aws/")
            ]
    return Holdings(snapshots, found, parameters)


def _snapshot_record(region: str, snapshot: LocalSnapshot) -> SnapshotRecord:
    return SnapshotRecord(
        region=region,
        id=snapshot.id,
        size=snapshot.volume_size,
        description=snapshot.description,
        started=snapshot.start_time.isoformat(),
        from_image=snapshot.from_ami,
        tags=_tags(snapshot),
    )


def _restore_snapshot(record: SnapshotRecord) -> None:
    backend = _ec2(record.region)
    snapshot = LocalSnapshot(
        backend,
        record.id,
        record.size,
        record.description,
        status="completed",
        from_ami=record.from_image,
    )
    snapshot.start_time = datetime.fromisoformat(record.started)
    snapshot.add_tags(record.tags)
    backend.snapshots[record.id] = snapshot


def _image_record(region: str, image: LocalImage) -> ImageRecord:
    return ImageRecord(
        region=region,
        id=image.id,
        name=image.name or "",
        description=image.description or "",
        created=image.creation_date.isoformat(),
        architecture=image.architecture or "",
        snapshot=image.ebs_snapshot.id,
        root_volume=dataclasses.asdict(image.root_volume),
        launch_permissions=image.launch_permissions,
        source_instance=image.instance_id,
        source_image=image.source_image_id,
        deprecation_time=image.deprecation_time,
        imds_support=image.imds_support,
        tags=_tags(image),
    )


def _restore_image(record: ImageRecord) -> None:
    backend = _ec2(record.region)
    image = LocalImage(
        backend,
        record.id,
        RootVolume(**record.root_volume),
        name=record.name,
        description=record.description,
        architecture=record.architecture,
        creation_date=datetime.fromisoformat(record.created),
        snapshot=backend.snapshots[record.snapshot],
    )
    image.launch_permissions = record.launch_permissions
    image.instance_id = record.source_instance
    image.source_image_id = record.source_image
    image.deprecation_time = record.deprecation_time
    image.imds_support = record.imds_support
    image.add_tags(record.tags)
    backend.amis[record.id] = image


def _parameter_record(region: str, backend: Any, name: str, versions: list[Any]) -> ParameterRecord:
    return ParameterRecord(
        region=region,
        name=name,
        versions=[
            ParameterVersionRecord(
                number=version.version,
                value=version.decrypt(version.value) or "",
                type=version.parameter_type,
                data_type=version.data_type,
                description=version.description,
                allowed_pattern=version.allowed_pattern,
                key_id=version.keyid,
                tier=version.tier,
                modified=version.last_modified_date.isoformat(),
                labels=list(version.labels),
            )
            for version in versions
        ],
        tags=dict(backend.list_tags_for_resource("Parameter", name)),
    )


def _restore_parameter(record: ParameterRecord) -> None:
    from moto.ssm.models import Parameter, ssm_backends

    backend = ssm_backends[ACCOUNT_ID][record.region]
    backend._parameters[record.name].extend(
        Parameter(  # type: ignore[abstract]  # as moto's own is
            account_id=ACCOUNT_ID,
            name=record.name,
            value=version.value,
            parameter_type=version.type,
            description=version.description,
            allowed_pattern=version.allowed_pattern,
            keyid=version.key_id,
            last_modified_date=datetime.fromisoformat(version.modified),
            version=version.number,
            data_type=version.data_type,
            labels=list(version.labels),
            tier=version.tier,
        )
        for version in record.versions
    )
    if record.tags:
        backend.add_tags_to_resource("Parameter", record.name, record.tags)


def _tags(resource: Any) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in resource.get_tags()}


def _ec2(region: str) -> Any:
    from moto.ec2.models import ec2_backends

    return ec2_backends[ACCOUNT_ID][region]
