"""Making images: from a machine, from another image, and the base image's registration.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.ec2.utils import random_ami_id, random_snapshot_id

from amikiln_localcloud.api.ec2 import volumes
from amikiln_localcloud.api.ec2.images import LocalImage, LocalSnapshot
from amikiln_localcloud.api.ec2.instances import LocalInstance
from amikiln_localcloud.api.ec2.volumes import RootVolume
from amikiln_localcloud.api.errors import ec2_error
from amikiln_localcloud.machines.contract import Machine, MachineFailure, SnapshotFiles

if TYPE_CHECKING:
    from amikiln_localcloud.api.ec2.service import LocalEC2Backend

log = logging.getLogger("amikiln.images")

NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")
"""3-128 of these characters (.../APIReference/API_CreateImage.html)."""


def check_name(backend: LocalEC2Backend, name: str) -> None:
    """Refuse a name that EC2 refuses.

    Raises:
        EC2ClientError: InvalidAMIName.Malformed or InvalidAMIName.Duplicate.
    """
    if not NAME.fullmatch(name or ""):
        raise ec2_error(
            "InvalidAMIName.Malformed",
            "AMI names must be between 3 and 128 characters long, and may contain letters, "
            "numbers, '(', ')', '.', '-', '/', '_', '@', '[', ']', ' ' and \"'\".",
        )
    for image in backend.amis.values():
        if image.name == name and image.owner_id == backend.account_id:
            raise ec2_error(
                "InvalidAMIName.Duplicate",
                f"AMI name {name} is already in use by AMI {image.id}",
            )


def create_image(
    backend: LocalEC2Backend,
    instance: LocalInstance,
    *,
    name: str,
    description: str,
    mappings: list[dict[str, Any]],
    tags: dict[str, dict[str, str]],
    no_reboot: bool,
) -> LocalImage:
    """Register a pending image and write its snapshot in the background.

    Raises:
        EC2ClientError: With the code that EC2 answers.
    """
    check_name(backend, name)
    if instance.state not in ("running", "stopped"):
        raise ec2_error(
            "IncorrectState",
            f"The instance '{instance.id}' is not in the 'running' or 'stopped' state: "
            f"it is {instance.state}.",
        )
    volume = _volume_of(backend, instance)
    for mapping in mappings:
        volume = volumes.apply(volume, mapping)
    size = _volume_of(backend, instance).size
    if volume.size < size:
        raise ec2_error(
            "InvalidBlockDeviceMapping",
            f"Volume of size {volume.size}GB is smaller than the instance's, "
            f"expect size >= {size}GB",
        )
    volumes.check(volume)
    image_id, snapshot_id = random_ami_id(), random_snapshot_id()
    image = LocalImage(
        backend,
        image_id,
        replace(volume, snapshot_id=snapshot_id),
        instance=instance,
        name=name,
        description=description,
        state="pending",
        snapshot=LocalSnapshot(
            backend,
            snapshot_id,
            size,
            f"Created by CreateImage({instance.id}) for {image_id}",
            status="pending",
            from_ami=image_id,
        ),
    )
    image.source_image_id = instance.image_id
    backend.amis[image_id] = image
    image.add_tags(tags.get("image", {}))
    image.ebs_snapshot.add_tags(tags.get("snapshot", {}))
    reboot = instance.state == "running" and not no_reboot
    target = backend.cloud.snapshots.files(snapshot_id)
    instance.do_with_machine(
        lambda machine: _write(backend, image, instance, machine, target, reboot)
    )
    return image


def _write(
    backend: LocalEC2Backend,
    image: LocalImage,
    instance: LocalInstance,
    machine: Machine,
    target: SnapshotFiles,
    reboot: bool,
) -> None:
    cloud = backend.cloud
    why = None
    with cloud.lock:
        reboot = reboot and instance.state == "running"
        instance.image_in_progress = True
    try:
        if reboot:
            machine.stop(cloud.patience.stop)
        machine.save(target)
    except Exception as error:
        if not isinstance(error, MachineFailure):
            log.exception("%s: unexpected failure", image.id)
        why = str(error)
    with cloud.changing():
        _conclude(backend, image, why)
    try:
        if reboot and instance.state == "running":
            machine.start(instance.on_end)
    except Exception as error:
        if not isinstance(error, MachineFailure):
            log.exception("%s: unexpected failure", instance.id)
        with cloud.changing(lasting=False):
            instance.could_not_go_on(str(error))
    finally:
        with cloud.changing(lasting=False):
            instance.image_in_progress = False


def _conclude(backend: LocalEC2Backend, image: LocalImage, why: str | None) -> None:
    snapshot = image.ebs_snapshot
    if why is None:
        image.state, snapshot.status = "available", "completed"
    else:
        log.warning("%s: %s", image.id, why)
        image.state, snapshot.status = "failed", "error"
        image.state_reason = {
            "Code": "Server.InternalError",
            "Message": f"Server.InternalError: {why}",
        }
    if snapshot.id not in backend.snapshots:
        # Deleted meanwhile.
        backend.cloud.snapshots.delete(snapshot.id)


def copy_image(
    backend: LocalEC2Backend,
    source_backend: LocalEC2Backend,
    source: LocalImage,
    *,
    name: str,
    description: str | None,
    tags: dict[str, dict[str, str]],
    copy_tags: bool,
) -> LocalImage:
    """Register a pending copy, in this region, and link its files in the background.

    Raises:
        EC2ClientError: With the code that EC2 answers.
    """
    check_name(backend, name)
    image_id, snapshot_id = random_ami_id(), random_snapshot_id()
    image = LocalImage(
        backend,
        image_id,
        replace(source.root_volume, snapshot_id=snapshot_id),
        source_ami=source,
        name=name,
        description=description or "",
        state="pending",
        snapshot=LocalSnapshot(
            backend,
            snapshot_id,
            source.ebs_snapshot.volume_size,
            f"Copied for DestinationAmi {image_id} from SourceAmi {source.id}",
            status="pending",
            from_ami=image_id,
        ),
    )
    image.source_image_id = source.id
    backend.amis[image_id] = image
    if copy_tags:
        image.add_tags({tag["key"]: tag["value"] for tag in source.get_tags()})
    image.add_tags(tags.get("image", {}))
    image.ebs_snapshot.add_tags(tags.get("snapshot", {}))
    cloud = backend.cloud
    files = cloud.snapshots.files(source.ebs_snapshot.id)
    cloud.snapshots.hold(files)

    def work() -> None:
        why = None
        try:
            cloud.snapshots.copy(files, snapshot_id)
        except OSError as error:
            why = f"the snapshot could not be copied: {error}"
        with cloud.changing():
            cloud.snapshots.release(files)
            _conclude(backend, image, why)

    cloud.in_background(f"copy to {image_id}", work)
    return image


def register_base(
    backend: LocalEC2Backend,
    *,
    image_id: str,
    snapshot_id: str,
    name: str,
    description: str,
    owner_id: str,
    size_gib: int,
    files: SnapshotFiles,
) -> LocalImage:
    """Register a public image of somebody else's, whose files are kept elsewhere."""
    backend.cloud.snapshots.name(snapshot_id, files)
    # The same at each start of the daemon.
    made = datetime.fromtimestamp(files.disk.stat().st_mtime, UTC).replace(tzinfo=None)
    image = LocalImage(
        backend,
        image_id,
        RootVolume("/dev/sda1", snapshot_id, size_gib),
        name=name,
        description=description,
        owner_id=owner_id,
        public=True,
        creation_date=made,
        architecture="x86_64",
        snapshot=LocalSnapshot(
            backend,
            snapshot_id,
            size_gib,
            description,
            status="completed",
            from_ami=image_id,
            owner_id=owner_id,
        ),
    )
    image.ebs_snapshot.start_time = made
    backend.amis[image_id] = image
    return image


def _volume_of(backend: LocalEC2Backend, instance: LocalInstance) -> RootVolume:
    device = instance.root_device_name
    volume = backend.get_volume(instance.block_device_mapping[device].volume_id)
    return RootVolume(
        device, volume.snapshot_id, volume.size, volume.volume_type, volume.iops, volume.throughput
    )
