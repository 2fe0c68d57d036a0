"""What the parts of the local cloud's EC2 share: its state, the cloud, and look-ups by id.

moto's EC2 is built of mixins, one for each kind of resource. So is the local cloud's: each of its
mixins derives from ``BaseEC2Backend``, and service.py puts them together.
"""

from __future__ import annotations

from typing import Any

from moto.ec2.models import EC2Backend, ec2_backends

from amikiln_localcloud.api.cloud import Cloud
from amikiln_localcloud.api.ec2.images import LocalImage
from amikiln_localcloud.api.ec2.instances import LocalInstance
from amikiln_localcloud.api.errors import ec2_error


class BaseEC2Backend(EC2Backend):
    """One region's EC2: what every mixin may use.

    Attributes:
        cloud: The cloud that this is a part of.
        client_tokens: For each client token of RunInstances, the request and its answer.
    """

    amis: dict[str, LocalImage]  # type: ignore[assignment]

    def __init__(self, region_name: str, account_id: str, cloud: Cloud) -> None:
        self.cloud = cloud
        self.client_tokens: dict[str, tuple[str, Any]] = {}
        super().__init__(region_name, account_id)

    def _load_amis(self) -> None:
        """Offer none of moto's images: nothing could boot from them."""

    def create_default_vpc(self) -> Any:
        """Give the default VPC its way to the internet, which moto leaves out.

        https://docs.aws.amazon.com/vpc/latest/userguide/default-vpc-components.html
        """
        vpc = super().create_default_vpc()
        gateway = self.create_internet_gateway()
        self.attach_internet_gateway(gateway.id, vpc.id)
        wanted = {"vpc-id": [vpc.id], "association.main": ["true"]}
        (main,) = self.describe_route_tables(filters=wanted)
        self.create_route(main.id, "0.0.0.0/0", gateway_id=gateway.id)
        return vpc

    def find_image(self, image_id: str) -> LocalImage:
        """Return an image, whatever its state and whoever owns it.

        Raises:
            EC2ClientError: InvalidAMIID.Malformed, InvalidAMIID.NotFound, or
                InvalidAMIID.Unavailable for an image that was deregistered.
        """
        if not image_id.startswith("ami-"):
            raise ec2_error(
                "InvalidAMIID.Malformed", f'Invalid id: "{image_id}" (expecting "ami-...")'
            )
        if image_id in self.deleted_amis:
            raise ec2_error(
                "InvalidAMIID.Unavailable", f"The image id '[{image_id}]' is no longer available"
            )
        if image_id not in self.amis:
            raise ec2_error("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
        return self.amis[image_id]

    def find_own_image(self, image_id: str) -> LocalImage:
        """Return an image that this account may change.

        Raises:
            EC2ClientError: As ``find_image``, or AuthFailure for another account's image.
        """
        image = self.find_image(image_id)
        if image.owner_id != self.account_id:
            raise ec2_error("AuthFailure", f"Not authorized for image:{image_id}")
        return image

    def find_available_image(self, image_id: str) -> LocalImage:
        """Return an image that can be launched or copied.

        Raises:
            EC2ClientError: As ``find_image``, or InvalidAMIID.Unavailable for an image that is
                pending or failed.
        """
        image = self.find_image(image_id)
        if image.state != "available":
            raise ec2_error(
                "InvalidAMIID.Unavailable",
                f"The image id '[{image_id}]' is not available: it is {image.state}",
            )
        return image

    def find_instance(self, instance_id: str) -> LocalInstance:
        """Return an instance.

        Raises:
            EC2ClientError: InvalidInstanceID.NotFound.
        """
        instance: Any = self.get_instance(instance_id)
        return instance  # type: ignore[no-any-return]

    def get_other_region(self, region: str) -> BaseEC2Backend:
        """Return the same account's EC2 in another region."""
        backend: Any = ec2_backends[self.account_id][region]
        return backend  # type: ignore[no-any-return]
