"""moto's EC2 with every override of it put together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

from moto.ec2 import urls
from moto.ec2.models import EC2Backend
from moto.ec2.models.elastic_block_store import GP3_DEFAULT_IOPS
from moto.ec2.models.instance_types import InstanceType
from moto.ec2.responses import EC2Response
from moto.packages.boto.ec2.instance import Reservation

from amikiln_localcloud.api.authorization import AuthorizedRequests
from amikiln_localcloud.api.ec2 import run_instances as launching
from amikiln_localcloud.api.ec2.catalogue import read_types
from amikiln_localcloud.api.ec2.image_requests import ImageRequests
from amikiln_localcloud.api.ec2.instance_requests import InstanceRequests
from amikiln_localcloud.api.ec2.launch_templates import TemplateRequests
from amikiln_localcloud.api.ec2.unsupported import UnsupportedRequests
from amikiln_localcloud.api.ec2.volumes import GP3_THROUGHPUT

if TYPE_CHECKING:
    from amikiln_localcloud.api.cloud import Cloud
    from amikiln_localcloud.api.ec2.images import LocalImage

__all__ = ["LocalEC2Backend", "LocalEC2Response"]


class LocalEC2Response(
    AuthorizedRequests,
    UnsupportedRequests,
    ImageRequests,
    InstanceRequests,
    TemplateRequests,
    EC2Response,
):
    """Parses and answers EC2's requests."""


class LocalEC2Backend(EC2Backend):
    """One region's EC2."""

    cloud: ClassVar[Cloud]
    amis: dict[str, LocalImage]  # type: ignore[assignment]

    def __init__(self, region_name: str, account_id: str) -> None:
        self.client_tokens: dict[str, tuple[str, Any]] = {}
        super().__init__(region_name, account_id)

    @property
    def _url_module(self) -> Any:
        return SimpleNamespace(
            url_bases=urls.url_bases, url_paths={"{0}/": LocalEC2Response.dispatch}
        )

    def _load_amis(self) -> None:
        """Offer none of moto's images: nothing could boot from them."""

    @property
    def instance_types(self) -> list[InstanceType]:  # type: ignore[override]
        """Read them when asked: see catalogue.py."""
        found = []
        for name, facts in read_types().items():
            # moto's constructor looks into the catalogue, which is empty.
            kind = InstanceType.__new__(InstanceType)
            kind.update(facts, name=name)
            found.append(kind)
        return found

    def run_instances(
        self,
        image_id: str | None,
        count: int,
        user_data: Any,
        security_group_names: list[str],
        **kwargs: Any,
    ) -> Reservation:
        return launching.run_instances(
            self, image_id, count, user_data, security_group_names, kwargs
        )

    def stop_instances(self, instance_ids: list[str], force: bool = False) -> Any:
        instances: Any = self.get_multi_instances_by_id(instance_ids)
        return [(instance, instance.stop(force)) for instance in instances]

    def available_image(self, image_id: str) -> LocalImage:
        """Return an image that can be launched or copied.

        Raises:
            EC2ClientError: InvalidAMIID.NotFound or InvalidAMIID.Unavailable.
        """
        return launching.launchable_image(self, image_id)

    def create_volume(self, *args: Any, **kwargs: Any) -> Any:
        """Give gp3 volumes the throughput that EC2 gives them by default."""
        if kwargs.get("volume_type") == "gp3":
            kwargs["iops"] = kwargs.get("iops") or GP3_DEFAULT_IOPS
            kwargs["throughput"] = kwargs.get("throughput") or GP3_THROUGHPUT[0]
        return super().create_volume(*args, **kwargs)

    def delete_snapshot(self, snapshot_id: str) -> Any:
        """Remove the snapshot's files too."""
        deleted = super().delete_snapshot(snapshot_id)
        self.cloud.snapshots.delete(snapshot_id)
        return deleted
