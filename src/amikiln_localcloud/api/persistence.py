"""From the state file into moto's objects at start, and back after every change."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ssm.models import Parameter, ssm_backends

from amikiln_localcloud.api.cloud import Cloud
from amikiln_localcloud.api.ec2.images import LocalImage, LocalSnapshot
from amikiln_localcloud.api.ec2.service import LocalEC2Backend
from amikiln_localcloud.api.records import (
    ImageRecord,
    ParameterRecord,
    ParameterVersionRecord,
    SnapshotRecord,
    State,
)
from amikiln_localcloud.home import ACCOUNT_ID

log = logging.getLogger("amikiln.state")


def restore(cloud: Cloud) -> None:
    """Load the state file, drop what has no files, and keep the file up to date from now on.

    Raises:
        LocalCloudError: The state file cannot be understood.
        OSError: The state file cannot be read or written.
    """
    with cloud.change(persistent=False):
        state = cloud.state_file.read()
        complete = {one.id for one in state.snapshots if cloud.snapshots.exists(one.id)}
        for snapshot in state.snapshots:
            if snapshot.id in complete:
                _restore_snapshot(snapshot)
            else:
                log.warning("snapshot %s is dropped: its files are missing", snapshot.id)
        for image in state.images:
            if image.snapshot in complete:
                _restore_image(image)
            else:
                log.warning(
                    "image %s is dropped: files of %s are missing", image.id, image.snapshot
                )
        for parameter in state.parameters:
            _restore_parameter(parameter)
        for name in cloud.snapshots.sweep(complete):
            log.warning("removed %s: a snapshot that is incomplete or unknown", name)
        cloud.state_file.track(collect_state)
        cloud.state_file.write()


def collect_state() -> State:
    """Return everything that survives the daemon, from moto's objects."""
    snapshots: list[SnapshotRecord] = []
    images: list[ImageRecord] = []
    for region, ec2 in _iterate_backends(ec2_backends):
        snapshots += [
            _record_snapshot(region, one)
            for one in ec2.snapshots.values()
            if one.owner_id == ACCOUNT_ID
            and isinstance(one, LocalSnapshot)
            and one.status == "completed"
        ]
        images += [
            _record_image(region, one)
            for one in ec2.amis.values()
            if one.owner_id == ACCOUNT_ID and one.state == "available"
        ]
    parameters = [
        _record_parameter(region, ssm, versions)
        for region, ssm in _iterate_backends(ssm_backends)
        for key, versions in ssm._parameters.items()
        # moto's own public parameters need no record.
        if versions and not key.startswith("/aws/")
    ]
    return State(snapshots=snapshots, images=images, parameters=parameters)


def _record_snapshot(region: str, snapshot: LocalSnapshot) -> SnapshotRecord:
    return SnapshotRecord(
        region=region,
        id=snapshot.id,
        size=snapshot.volume_size,
        description=snapshot.description,
        started=snapshot.start_time,
        from_image=snapshot.from_ami,
        tags=_get_tags(snapshot),
    )


def _restore_snapshot(record: SnapshotRecord) -> None:
    backend = _get_ec2(record.region)
    snapshot = LocalSnapshot(
        backend,
        record.id,
        record.size,
        record.description,
        status="completed",
        from_ami=record.from_image,
    )
    snapshot.start_time = record.started
    snapshot.add_tags(record.tags)
    backend.snapshots[record.id] = snapshot


def _record_image(region: str, image: LocalImage) -> ImageRecord:
    return ImageRecord(
        region=region,
        id=image.id,
        name=image.name or "",
        description=image.description or "",
        created=image.creation_date,
        architecture=image.architecture or "",
        snapshot=image.ebs_snapshot.id,
        root_volume=image.root_volume,
        launch_permissions=image.launch_permissions,
        source_instance=image.instance_id,
        source_image=image.source_image_id,
        deprecation_time=image.deprecation_time,
        imds_support=image.imds_support,
        tags=_get_tags(image),
    )


def _restore_image(record: ImageRecord) -> None:
    backend = _get_ec2(record.region)
    image = LocalImage(
        backend,
        record.id,
        record.root_volume,
        name=record.name,
        description=record.description,
        architecture=record.architecture,
        creation_date=record.created,
        snapshot=backend.snapshots[record.snapshot],
    )
    image.launch_permissions = record.launch_permissions
    image.instance_id = record.source_instance
    image.source_image_id = record.source_image
    image.deprecation_time = record.deprecation_time
    image.imds_support = record.imds_support
    image.add_tags(record.tags)
    backend.amis[record.id] = image


def _record_parameter(region: str, backend: Any, versions: list[Parameter]) -> ParameterRecord:
    name = versions[0].name  # moto's key has no leading slash if there is no other
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
                modified=version.last_modified_date,
                labels=list(version.labels),
            )
            for version in versions
        ],
        tags=dict(backend.list_tags_for_resource("Parameter", name)),
    )


def _restore_parameter(record: ParameterRecord) -> None:
    backend = ssm_backends[ACCOUNT_ID][record.region]
    parameters = backend._parameters
    parameters[parameters.normalize_name(record.name)].extend(
        Parameter(  # type: ignore[abstract]  # as moto's own is
            account_id=ACCOUNT_ID,
            name=record.name,
            value=version.value,
            parameter_type=version.type,
            description=version.description,
            allowed_pattern=version.allowed_pattern,
            keyid=version.key_id,
            last_modified_date=version.modified,
            version=version.number,
            data_type=version.data_type,
            labels=list(version.labels),
            tier=version.tier,
        )
        for version in record.versions
    )
    if record.tags:
        backend.add_tags_to_resource("Parameter", record.name, record.tags)


def _get_tags(resource: Any) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in resource.get_tags()}


def _get_ec2(region: str) -> LocalEC2Backend:
    backend: Any = ec2_backends[ACCOUNT_ID][region]
    return backend  # type: ignore[no-any-return]


def _iterate_backends(backends: Any) -> Iterator[tuple[str, Any]]:
    """Yield the regions that were used, with their backends, of the account that is saved."""
    for account, region, backend in backends.iter_backends():
        if account == ACCOUNT_ID:
            yield region, backend
