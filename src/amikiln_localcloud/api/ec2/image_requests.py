"""Requests about images and snapshots: the parameters that moto does not read.

Deprecation: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ami-deprecate.html
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.responses.amis import AmisResponse
from moto.ec2.responses.elastic_block_store import ElasticBlockStore

from amikiln_localcloud.api.ec2.create_image import ImagesMixin
from amikiln_localcloud.api.ec2.images import LocalImage
from amikiln_localcloud.api.errors import ec2_error

LONGEST_DEPRECATION = timedelta(days=3652)
"""Ten years from now (.../APIReference/API_EnableImageDeprecation.html)."""

IMDS_V2 = "v2.0"


class ImageRequests(AmisResponse, ElasticBlockStore):
    """CreateImage, CopyImage, DeregisterImage, deprecation, and which images are visible."""

    def create_image(self) -> ActionResult:
        self.error_on_dryrun()
        image = self._images.create_image(
            self._get_param("InstanceId"),
            self._get_param("Name"),
            self._get_param("Description", ""),
            self._get_param("TagSpecifications", []),
            mappings=self._get_param("BlockDeviceMappings", []),
            no_reboot=self._get_bool_param("NoReboot", False),
        )
        return ActionResult({"ImageId": image.id})

    def copy_image(self) -> ActionResult:
        self.error_on_dryrun()
        image = self._images.copy_image(
            self._get_param("SourceImageId"),
            self._get_param("SourceRegion"),
            self._get_param("Name"),
            self._get_param("Description"),
            self._get_param("TagSpecifications", []),
            copy_tags=self._get_bool_param("CopyImageTags", False),
        )
        return ActionResult({"ImageId": image.id})

    def describe_images(self) -> ActionResult:
        """Hide other accounts' deprecated images, unless the request includes them."""
        answer = super().describe_images()
        if self._get_bool_param("IncludeDeprecated", False) or self._get_param("ImageIds", []):
            return answer
        now = datetime.now(UTC)
        found: Any = answer.result
        visible = [
            image
            for image in found["Images"]
            if image.owner_id == self.current_account or not image.is_deprecated(now)
        ]
        return ActionResult({"Images": visible})

    def deregister_image(self) -> ActionResult:
        """Delete the snapshots too, if the request says so."""
        backend = self._images
        image = self._find_own_image()
        delete_snapshots = self._get_bool_param("DeleteAssociatedSnapshots", False)
        answer = super().deregister_image()
        if delete_snapshots:
            snapshot_id = image.ebs_snapshot.id
            outcome = "skipped"
            if snapshot_id in backend.snapshots:
                backend.delete_snapshot(snapshot_id)
                outcome = "success"
            result: Any = answer.result
            result["DeleteSnapshotResults"] = [{"SnapshotId": snapshot_id, "ReturnCode": outcome}]
        return answer

    def enable_image_deprecation(self) -> ActionResult:
        image = self._find_own_image()
        at = self._get_param("DeprecateAt")
        if not isinstance(at, datetime):
            at = datetime.fromisoformat(str(at))
        # EC2 rounds seconds down to the minute.
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).replace(second=0, microsecond=0)
        if at > datetime.now(UTC) + LONGEST_DEPRECATION:
            raise ec2_error(
                "InvalidParameterValue",
                "The deprecation date can't be more than 10 years from now.",
            )
        self.error_on_dryrun()
        image.deprecation_time = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        return ActionResult({"Return": True})

    def disable_image_deprecation(self) -> ActionResult:
        image = self._find_own_image()
        self.error_on_dryrun()
        image.deprecation_time = None
        return ActionResult({"Return": True})

    def modify_image_attribute(self) -> ActionResult:
        """Store ImdsSupport, which moto ignores: machines then need a token by default.

        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-IMDS-new-instances.html
        """
        if support := self._get_param("ImdsSupport", {}).get("Value"):
            image = self._find_own_image()
            if support != IMDS_V2:
                raise ec2_error("InvalidParameterValue", f"Value ({support}) for ImdsSupport")
            self.error_on_dryrun()
            image.imds_support = support
        return super().modify_image_attribute()

    def describe_snapshots(self) -> ActionResult:
        """Answer OwnerIds and RestorableByUserIds, which moto ignores."""
        answer = super().describe_snapshots()
        owners = [
            self.current_account if owner == "self" else owner
            for owner in self._get_param("OwnerIds", [])
        ]
        if not owners:
            return answer
        found: Any = answer.result
        return ActionResult(
            {**found, "Snapshots": [one for one in found["Snapshots"] if one.owner_id in owners]}
        )

    @property
    def _images(self) -> ImagesMixin:
        backend: ImagesMixin = self.ec2_backend
        return backend

    def _find_own_image(self) -> LocalImage:
        return self._images.find_own_image(self._get_param("ImageId"))
