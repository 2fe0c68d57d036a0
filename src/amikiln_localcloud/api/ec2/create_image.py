"""Making images: from a machine, or from another image.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from moto.ec2.models.elastic_block_store import Snapshot
from moto.ec2.utils import random_ami_id, random_snapshot_id

from amikiln_localcloud.api.ec2.backend import BaseEC2Backend
from amikiln_localcloud.api.ec2.images import LocalImage, LocalSnapshot
from amikiln_localcloud.api.ec2.instances import LocalInstance
from amikiln_localcloud.api.ec2.volumes import check_image_mappings, merge_mappings
from amikiln_localcloud.api.errors import ec2_error
from amikiln_localcloud.api.records import RootVolume
from amikiln_localcloud.machines.contract import Machine, MachineFailure

log = logging.getLogger("amikiln.images")

IMAGE_NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")
"""3-128 of these characters (.../APIReference/API_CreateImage.html)."""


class ImagesMixin(BaseEC2Backend):
    """Images whose snapshots have files."""

    def create_image(
        self,
        instance_id: str,
        name: str,
        description: str,
        tag_specifications: list[dict[str, Any]],
        mappings: Iterable[dict[str, Any]] = (),
        no_reboot: bool = False,
    ) -> LocalImage:
        """Register a pending image and write its snapshot in the background.

        Args:
            instance_id: The instance, running or stopped.
            name: The image's name, unique in the region.
            description: Free text.
            tag_specifications: As in the request, for the image and its snapshot.
            mappings: Block device mappings, which change almost nothing of existing volumes.
            no_reboot: Whether a running machine goes on while its disk is copied.

        Raises:
            EC2ClientError: With the code that EC2 answers.
        """
        instance = self.find_instance(instance_id)
        tags = _parse_tags(tag_specifications)
        self._check_name(name)
        if instance.state not in ("running", "stopped"):
            raise ec2_error(
                "IncorrectState",
                f"The instance '{instance.id}' is not in the 'running' or 'stopped' state: "
                f"it is {instance.state}.",
            )
        volume = self._get_root_volume(instance)
        check_image_mappings(mappings, volume.device_name)
        image_id = random_ami_id()
        image = self._add_pending_image(
            image_id,
            merge_mappings(volume, volume.size, "the instance's", mappings),
            volume.size,
            f"Created by CreateImage({instance.id}) for {image_id}",
            tags,
            instance=instance,
            name=name,
            description=description,
        )
        image.source_image_id = instance.image_id
        reboot = instance.state == "running" and not no_reboot
        instance.do_with_machine(
            lambda machine: self._write_snapshot(image, instance, machine, reboot)
        )
        return image

    def copy_image(
        self,
        source_image_id: str,
        source_region: str,
        name: str | None = None,
        description: str | None = None,
        tag_specifications: Iterable[dict[str, Any]] = (),
        copy_tags: bool = False,
    ) -> LocalImage:
        """Register a pending copy in this region, and link its files in the background.

        Args:
            source_image_id: An available image.
            source_region: Where that is.
            name: The copy's name, unique in this region.
            description: Free text.
            tag_specifications: As in the request, for the image and its snapshot.
            copy_tags: Whether the source image's tags are copied too.

        Raises:
            EC2ClientError: With the code that EC2 answers.
        """
        source = self.get_other_region(source_region).find_available_image(source_image_id)
        tags = _parse_tags(tag_specifications)
        if copy_tags:
            copied = {tag["key"]: tag["value"] for tag in source.get_tags()}
            tags["image"] = {**copied, **tags.get("image", {})}
        self._check_name(name or "")
        image_id = random_ami_id()
        image = self._add_pending_image(
            image_id,
            source.root_volume,
            source.ebs_snapshot.volume_size,
            f"Copied for DestinationAmi {image_id} from SourceAmi {source.id}",
            tags,
            source_ami=source,
            name=name,
            description=description or "",
        )
        image.source_image_id = source.id
        snapshots = self.cloud.snapshots
        files = snapshots.files(source.ebs_snapshot.id)
        snapshots.hold(files)

        def copy() -> None:
            failure = None
            try:
                snapshots.prepare(files)
                snapshots.copy(files, image.ebs_snapshot.id)
            except (OSError, MachineFailure) as error:
                failure = f"the snapshot could not be copied: {error}"
            with self.cloud.change():
                snapshots.release(files)
                self._finish_image(image, failure)

        self.cloud.run_in_background(f"copy to {image.id}", copy)
        return image

    def delete_snapshot(self, snapshot_id: str) -> Snapshot:
        """Delete the snapshot's files too."""
        deleted = super().delete_snapshot(snapshot_id)
        self.cloud.snapshots.delete(snapshot_id)
        return deleted

    def _check_name(self, name: str) -> None:
        if not IMAGE_NAME.fullmatch(name or ""):
            raise ec2_error(
                "InvalidAMIName.Malformed",
                "AMI names must be between 3 and 128 characters long, and may contain letters, "
                "numbers, '(', ')', '.', '-', '/', '_', '@', '[', ']', ' ' and \"'\".",
            )
        for image in self.amis.values():
            if image.name == name and image.owner_id == self.account_id:
                raise ec2_error(
                    "InvalidAMIName.Duplicate",
                    f"AMI name {name} is already in use by AMI {image.id}",
                )

    def _get_root_volume(self, instance: LocalInstance) -> RootVolume:
        device = instance.root_device_name
        volume = self.get_volume(instance.block_device_mapping[device].volume_id)
        return RootVolume(
            device,
            volume.snapshot_id,
            volume.size,
            volume.volume_type,
            volume.iops,
            volume.throughput,
        )

    def _add_pending_image(
        self,
        image_id: str,
        volume: RootVolume,
        snapshot_gib: int,
        snapshot_description: str,
        tags: dict[str, dict[str, str]],
        **facts: Any,
    ) -> LocalImage:
        snapshot_id = random_snapshot_id()
        image = LocalImage(
            self,
            image_id,
            replace(volume, snapshot_id=snapshot_id),
            state="pending",
            snapshot=LocalSnapshot(
                self,
                snapshot_id,
                snapshot_gib,
                snapshot_description,
                status="pending",
                from_ami=image_id,
            ),
            **facts,
        )
        image.add_tags(tags.get("image", {}))
        image.ebs_snapshot.add_tags(tags.get("snapshot", {}))
        self.amis[image_id] = image
        return image

    def _write_snapshot(
        self, image: LocalImage, instance: LocalInstance, machine: Machine, reboot: bool
    ) -> None:
        cloud = self.cloud
        failure = None
        with cloud.lock:
            reboot = reboot and instance.state == "running"
            instance.image_in_progress = True
        try:
            if reboot:
                machine.stop(cloud.timeouts.stop)
            machine.save(cloud.snapshots.files(image.ebs_snapshot.id))
        except Exception as error:
            if not isinstance(error, MachineFailure):
                log.exception("%s: unexpected failure", image.id)
            failure = str(error)
        with cloud.change():
            self._finish_image(image, failure)
        try:
            if reboot and instance.state == "running":
                machine.start(instance.on_end)
        except Exception as error:
            if not isinstance(error, MachineFailure):
                log.exception("%s: unexpected failure", instance.id)
            with cloud.change(persistent=False):
                instance.mark_stopped_by_failure(str(error))
        finally:
            with cloud.change(persistent=False):
                instance.image_in_progress = False

    def _finish_image(self, image: LocalImage, failure: str | None) -> None:
        snapshot = image.ebs_snapshot
        if failure is None:
            image.state, snapshot.status = "available", "completed"
        else:
            log.warning("%s: %s", image.id, failure)
            image.state, snapshot.status = "failed", "error"
            image.state_reason = {
                "Code": "Server.InternalError",
                "Message": f"Server.InternalError: {failure}",
            }
        if snapshot.id not in self.snapshots:
            # Deleted meanwhile.
            self.cloud.snapshots.delete(snapshot.id)


def _parse_tags(tag_specifications: Iterable[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Return the tags by resource type.

    Raises:
        EC2ClientError: InvalidParameterValue for what neither an image nor a snapshot is.
    """
    tags: dict[str, dict[str, str]] = {}
    for part in tag_specifications:
        kind = part.get("ResourceType")
        if kind not in ("image", "snapshot"):
            raise ec2_error(
                "InvalidParameterValue",
                f"'{kind}' is not a valid taggable resource type for this operation.",
            )
        tags.setdefault(kind, {}).update(
            {tag["Key"]: tag.get("Value", "") for tag in part.get("Tags", [])}
        )
    return tags
