"""RunInstances: what is checked before a machine is made, and what it is made of.

moto launches from images that do not exist, with keys that do not exist, ignores most of a
launch template, and forgets a volume's IOPS and throughput.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from moto.ec2.exceptions import InvalidSecurityGroupNotFoundError
from moto.ec2.models.elastic_block_store import GP3_DEFAULT_IOPS, Volume
from moto.ec2.models.instances import Instance, InstanceState
from moto.ec2.utils import (
    convert_tag_spec,
    filter_iam_instance_profiles,
    parse_user_data,
    random_reservation_id,
)
from moto.packages.boto.ec2.instance import Reservation

from amikiln.catalog.tags import asks_for_a_kernel
from amikiln_localcloud.api.ec2.images import LocalImage
from amikiln_localcloud.api.ec2.instance_types import Hardware, get_hardware
from amikiln_localcloud.api.ec2.instances import LocalInstance
from amikiln_localcloud.api.ec2.launch_templates import LaunchTemplatesMixin
from amikiln_localcloud.api.ec2.volumes import GP3_THROUGHPUT, merge_mappings
from amikiln_localcloud.api.errors import ec2_error
from amikiln_localcloud.api.records import RootVolume

DEFAULT_TYPE = "m1.small"
"""EC2's default (.../APIReference/API_RunInstances.html)."""


@dataclass(frozen=True)
class Launch:
    """What an instance is made of, all of it checked.

    Attributes:
        profile: Of the launch template.
        options: moto's other options.
        template_tags: The launch template's, by the kind of resource.
    """

    image: LocalImage
    hardware: Hardware
    volume: RootVolume
    groups: list[Any]
    profile: dict[str, str]
    user_data: Any
    options: dict[str, Any]
    template_tags: dict[str, dict[str, str]]


class InstancesMixin(LaunchTemplatesMixin):
    """Instances that are machines."""

    def run_instances(
        self,
        image_id: str | None,
        count: int,
        user_data: Any,
        security_group_names: list[str],
        **kwargs: Any,
    ) -> Reservation:
        """Check everything, then make ``count`` instances whose machines start in the background.

        Args:
            image_id: An image id or ``resolve:ssm:...``; None takes the launch template's.
            count: How many.
            user_data: As moto parsed it.
            security_group_names: Groups by name.
            kwargs: moto's other options.

        Raises:
            EC2ClientError: With the code that EC2 answers; nothing was made.
        """
        launch = self.check_launch(image_id, user_data, security_group_names, **kwargs)
        tags = {kind: dict(values) for kind, values in (kwargs.get("tags") or {}).items()}
        volume_tags = {**launch.template_tags.get("volume", {}), **tags.get("volume", {})}
        reservation = Reservation(random_reservation_id(), owner_id=self.account_id)
        for index in range(count):
            instance = LocalInstance(  # type: ignore[abstract]  # as moto's own is
                self,
                self.cloud,
                launch.image.id,
                launch.user_data,
                launch.groups,
                self.cloud.snapshots.files(launch.image.ebs_snapshot.id),
                **{**launch.options, "ami_launch_index": index},
            )
            reservation.instances.append(instance)
            self.reservations[reservation.id] = reservation
            instance.add_tags(tags.get("instance", {}))
            for card in instance.nics.values():
                card.add_tags(tags.get("network-interface", {}))
            if launch.options.get("instance_market_options"):
                instance.lifecycle = "spot"
            self._attach_root_volume(instance, launch.volume, volume_tags)
            if launch.profile:
                self.associate_iam_instance_profile(instance.id, **launch.profile)
            boots_kernel = asks_for_a_kernel(tags.get("instance", {}))
            hardware = launch.hardware
            instance.launch(hardware.cores, hardware.memory_mib, launch.volume.size, boots_kernel)
        return reservation

    def check_launch(
        self,
        image_id: str | None,
        user_data: Any,
        security_group_names: list[str],
        **kwargs: Any,
    ) -> Launch:
        """Check all that a launch asks for, and make nothing; ``run_instances`` says of what.

        Raises:
            EC2ClientError: With the code that EC2 answers.
        """
        template = self.find_template_data(kwargs.get("launch_template") or {})
        options = _merge_template(kwargs, template)
        image = self._find_image_to_launch(image_id or template.get("ImageId"))
        if image.imds_support:
            options["metadata_options"] = {"HttpTokens": "required", **options["metadata_options"]}
        hardware = get_hardware(options["instance_type"])
        if image.architecture not in hardware.architectures:
            raise ec2_error(
                "InvalidParameterValue",
                f"The architecture '{','.join(hardware.architectures)}' of the specified instance "
                f"type does not match the architecture '{image.architecture}' of the specified "
                "AMI. Specify an instance type and an AMI that have matching architectures, and "
                "try again.",
            )
        key_name = options.get("key_name")
        if key_name and key_name not in self.key_pairs:
            raise ec2_error("InvalidKeyPair.NotFound", f"The key pair '{key_name}' does not exist")
        volume = merge_mappings(
            image.root_volume,
            image.ebs_snapshot.volume_size,
            f"snapshot '{image.ebs_snapshot.id}'",
            kwargs.get("block_device_mappings"),
            template.get("BlockDeviceMappings"),
            _get_launch_configuration_mappings(kwargs),
        )
        groups = self._find_security_groups(security_group_names, options)
        profile = self._find_instance_profile(template.get("IamInstanceProfile") or {})
        zone = options.get("placement")
        if zone and self.get_zone_by_name(zone) is None:
            raise ec2_error("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
        if user_data is None and (template_user_data := template.get("UserData")) is not None:
            user_data = parse_user_data(str(template_user_data))
        return Launch(
            image=image,
            hardware=hardware.fit_to_host(),
            volume=volume,
            groups=groups,
            profile=profile,
            user_data=user_data,
            options=options,
            template_tags=convert_tag_spec(template.get("TagSpecifications") or []),
        )

    def stop_instances(
        self, instance_ids: list[str], force: bool = False
    ) -> list[tuple[Instance, InstanceState]]:
        """Stop instances.

        Args:
            instance_ids: Which.
            force: Whether to pull the plug instead of pressing the power button.
        """
        instances: Any = self.get_multi_instances_by_id(instance_ids)
        for instance in instances:
            if instance.lifecycle == "spot":
                raise ec2_error(
                    "UnsupportedOperation",
                    f"You can't stop the Spot Instance '{instance.id}' because it is associated"
                    " with a one-time Spot Instance request.",
                )
        return [(instance, instance.stop(force)) for instance in instances]

    def create_volume(self, *args: Any, **kwargs: Any) -> Volume:
        """Give gp3 volumes the throughput that EC2 gives them by default."""
        if kwargs.get("volume_type") == "gp3":
            kwargs["iops"] = kwargs.get("iops") or GP3_DEFAULT_IOPS
            kwargs["throughput"] = kwargs.get("throughput") or GP3_THROUGHPUT[0]
        return super().create_volume(*args, **kwargs)

    def _find_image_to_launch(self, image_id: str | None) -> LocalImage:
        if not image_id:
            raise ec2_error("MissingParameter", "The request must contain the parameter ImageId")
        return self.find_available_image(self.resolve_image_id(image_id))

    def _find_security_groups(self, names: list[str], options: dict[str, Any]) -> list[Any]:
        template_names = options.pop("security_group_names")
        found = [self.get_security_group_by_name_or_id(name) for name in names or template_names]
        for group in options.pop("security_group_ids"):
            if isinstance(group, str):
                known = self.get_security_group_from_id(group)
                if known is None:
                    raise InvalidSecurityGroupNotFoundError(group)
                found.append(known)
            else:
                found.append(group)
        if options["region_name"] is None:
            options["region_name"] = self.region_name
        return found

    def _find_instance_profile(self, profile: dict[str, Any]) -> dict[str, str]:
        if not profile:
            return {}
        filter_iam_instance_profiles(
            self.account_id,
            partition=self.partition,
            iam_instance_profile_arn=profile.get("Arn"),
            iam_instance_profile_name=profile.get("Name"),
        )
        if "Arn" in profile:
            return {"iam_instance_profile_arn": profile["Arn"]}
        return {"iam_instance_profile_name": profile["Name"]}

    def _attach_root_volume(
        self, instance: LocalInstance, root: RootVolume, tags: dict[str, str]
    ) -> None:
        volume = self.create_volume(
            size=root.size,
            zone_name=instance.availability_zone,
            snapshot_id=root.snapshot_id,
            volume_type=root.type,
            iops=root.iops,
            throughput=root.throughput,
        )
        self.attach_volume(volume.id, instance.id, root.device_name, True)
        volume.add_tags(tags)


def _merge_template(options: dict[str, Any], template: dict[str, Any]) -> dict[str, Any]:
    """Fill in from the template what the request left out; the request wins."""
    merged = {
        key: value
        for key, value in options.items()
        if key not in ("tags", "block_device_mappings", "security_group_ids")
    }
    if merged.get("is_instance_type_default", True) or not merged.get("instance_type"):
        merged["instance_type"] = template.get("InstanceType") or (
            merged.get("instance_type") or DEFAULT_TYPE
        )
    merged["key_name"] = merged.get("key_name") or template.get("KeyName")
    merged["instance_initiated_shutdown_behavior"] = merged.get(
        "instance_initiated_shutdown_behavior"
    ) or template.get("InstanceInitiatedShutdownBehavior")
    merged["metadata_options"] = {
        **(template.get("MetadataOptions") or {}),
        **(merged.get("metadata_options") or {}),
    }
    merged["nics"] = merged.get("nics") or template.get("NetworkInterfaces") or []
    if any("SubnetId" in nic for nic in merged["nics"]):
        merged["subnet_id"] = None
    placement = (template.get("Placement") or {}).get("AvailabilityZone")
    merged["placement"] = merged.get("placement") or placement
    merged["security_group_ids"] = options.get("security_group_ids") or template.get(
        "SecurityGroupIds", []
    )
    merged["security_group_names"] = template.get("SecurityGroups", [])
    merged.setdefault("region_name", None)
    return merged


def _get_launch_configuration_mappings(options: dict[str, Any]) -> list[dict[str, Any]] | None:
    configuration = options.get("launch_config")
    if configuration is None:
        return None
    mappings: list[dict[str, Any]] = configuration.block_device_mappings
    return mappings
