"""RunInstances: what is checked before a machine is made, and what it is made of.

moto launches from images that do not exist, with keys that do not exist, ignores most of a
launch template, and forgets a volume's IOPS and throughput.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.ec2.exceptions import InvalidSecurityGroupNotFoundError
from moto.ec2.utils import (
    convert_tag_spec,
    filter_iam_instance_profiles,
    parse_user_data,
    random_reservation_id,
)
from moto.packages.boto.ec2.instance import Reservation

from amikiln_localcloud.api.ec2 import instance_types, launch_templates
from amikiln_localcloud.api.ec2.instances import LocalInstance
from amikiln_localcloud.api.ec2.volumes import RootVolume, root_volume
from amikiln_localcloud.api.errors import ec2_error

if TYPE_CHECKING:
    from amikiln_localcloud.api.ec2.images import LocalImage
    from amikiln_localcloud.api.ec2.service import LocalEC2Backend

DEFAULT_TYPE = "m1.small"
"""What EC2 takes when a request names none (.../APIReference/API_RunInstances.html)."""


def run_instances(
    backend: LocalEC2Backend,
    image_id: str | None,
    count: int,
    user_data: Any,
    security_group_names: list[str],
    options: dict[str, Any],
) -> Reservation:
    """Check everything, then make ``count`` instances whose machines start in the background.

    Args:
        backend: The region.
        image_id: An image id or ``resolve:ssm:...``; None takes the launch template's.
        count: How many.
        user_data: As moto parsed it.
        security_group_names: Groups by name.
        options: moto's other arguments of ``run_instances``.

    Raises:
        EC2ClientError: With the code that EC2 answers; nothing was made then.
    """
    template = launch_templates.data_for(backend, options.get("launch_template") or {})
    named = _merge(options, template)
    image = launchable_image(backend, image_id or template.get("ImageId") or "")
    if image.imds_support:
        named["metadata_options"] = {"HttpTokens": "required", **named["metadata_options"]}
    cores, memory, architectures = instance_types.shape(named["instance_type"])
    if image.architecture not in architectures:
        raise ec2_error(
            "InvalidParameterValue",
            f"The architecture '{','.join(architectures)}' of the specified instance type does "
            f"not match the architecture '{image.architecture}' of the specified AMI. Specify an "
            "instance type and an AMI that have matching architectures, and try again.",
        )
    cores, memory = instance_types.fit_to_host(cores, memory)
    key_name = named.get("key_name")
    if key_name and key_name not in backend.key_pairs:
        raise ec2_error("InvalidKeyPair.NotFound", f"The key pair '{key_name}' does not exist")
    volume = root_volume(
        image,
        options.get("block_device_mappings"),
        template.get("BlockDeviceMappings"),
        _launch_configuration_mappings(options),
    )
    groups = _security_groups(backend, security_group_names, named)
    profile = _instance_profile(backend, template)
    if named.get("placement"):
        backend.get_zone_by_name(named["placement"])
    if user_data is None:
        user_data = parse_user_data(_text(template.get("UserData")))

    tags = {kind: dict(values) for kind, values in (options.get("tags") or {}).items()}
    template_tags = convert_tag_spec(template.get("TagSpecifications") or [])
    volume_tags = {**template_tags.get("volume", {}), **tags.get("volume", {})}
    reservation = Reservation(random_reservation_id(), owner_id=backend.account_id)
    for index in range(count):
        instance = LocalInstance(  # type: ignore[abstract]  # as moto's own is
            backend,
            image.id,
            user_data,
            groups,
            backend.cloud.snapshots.files(image.ebs_snapshot.id),
            **{**named, "ami_launch_index": index},
        )
        reservation.instances.append(instance)
        backend.reservations[reservation.id] = reservation
        instance.add_tags(tags.get("instance", {}))
        _attach(backend, instance, volume, volume_tags)
        if profile:
            backend.associate_iam_instance_profile(instance.id, **profile)
        instance.launch(cores, memory, volume.size)
    return reservation


def launchable_image(backend: LocalEC2Backend, image_id: str) -> LocalImage:
    """Return the image that an id or a ``resolve:ssm:`` reference names, if it can be launched.

    Raises:
        EC2ClientError: MissingParameter, InvalidAMIID.Malformed, InvalidAMIID.NotFound or
            InvalidAMIID.Unavailable.
    """
    if not image_id:
        raise ec2_error("MissingParameter", "The request must contain the parameter ImageId")
    image_id = launch_templates.resolve(backend, image_id)
    if not image_id.startswith("ami-"):
        raise ec2_error("InvalidAMIID.Malformed", f'Invalid id: "{image_id}" (expecting "ami-...")')
    image = backend.amis.get(image_id)
    if image is None and image_id in backend.deleted_amis:
        raise ec2_error(
            "InvalidAMIID.Unavailable", f"The image id '[{image_id}]' is no longer available"
        )
    if image is None:
        raise ec2_error("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
    if image.state != "available":
        raise ec2_error(
            "InvalidAMIID.Unavailable",
            f"The image id '[{image_id}]' is not available: it is {image.state}",
        )
    return image


def _merge(options: dict[str, Any], template: dict[str, Any]) -> dict[str, Any]:
    """Fill in from the template what the request left out; the request wins."""
    named = {
        key: value
        for key, value in options.items()
        if key not in ("tags", "block_device_mappings", "security_group_ids")
    }
    if named.get("is_instance_type_default", True) or not named.get("instance_type"):
        named["instance_type"] = template.get("InstanceType") or (
            named.get("instance_type") or DEFAULT_TYPE
        )
    named["key_name"] = named.get("key_name") or template.get("KeyName")
    named["instance_initiated_shutdown_behavior"] = named.get(
        "instance_initiated_shutdown_behavior"
    ) or template.get("InstanceInitiatedShutdownBehavior")
    named["metadata_options"] = {
        **(template.get("MetadataOptions") or {}),
        **(named.get("metadata_options") or {}),
    }
    named["nics"] = named.get("nics") or template.get("NetworkInterfaces") or []
    if any("SubnetId" in nic for nic in named["nics"]):
        named["subnet_id"] = None
    placement = (template.get("Placement") or {}).get("AvailabilityZone")
    named["placement"] = named.get("placement") or placement
    named["security_group_ids"] = options.get("security_group_ids") or template.get(
        "SecurityGroupIds", []
    )
    named["security_group_names"] = template.get("SecurityGroups", [])
    named.setdefault("region_name", None)
    return named


def _security_groups(
    backend: LocalEC2Backend, names: list[str], named: dict[str, Any]
) -> list[Any]:
    template_names = named.pop("security_group_names")
    found = [backend.get_security_group_by_name_or_id(name) for name in names or template_names]
    for group in named.pop("security_group_ids"):
        if isinstance(group, str):
            known = backend.get_security_group_from_id(group)
            if known is None:
                raise InvalidSecurityGroupNotFoundError(group)
            found.append(known)
        else:
            found.append(group)
    if named["region_name"] is None:
        named["region_name"] = backend.region_name
    return found


def _instance_profile(backend: LocalEC2Backend, template: dict[str, Any]) -> dict[str, str]:
    profile = template.get("IamInstanceProfile") or {}
    if not profile:
        return {}
    filter_iam_instance_profiles(
        backend.account_id,
        partition=backend.partition,
        iam_instance_profile_arn=profile.get("Arn"),
        iam_instance_profile_name=profile.get("Name"),
    )
    if "Arn" in profile:
        return {"iam_instance_profile_arn": profile["Arn"]}
    return {"iam_instance_profile_name": profile["Name"]}


def _launch_configuration_mappings(options: dict[str, Any]) -> list[dict[str, Any]] | None:
    configuration = options.get("launch_config")
    if configuration is None:
        return None
    mappings: list[dict[str, Any]] = configuration.block_device_mappings
    return mappings


def _attach(
    backend: LocalEC2Backend, instance: LocalInstance, root: RootVolume, tags: dict[str, str]
) -> None:
    volume = backend.create_volume(
        size=root.size,
        zone_name=instance.availability_zone,
        snapshot_id=root.snapshot_id,
        volume_type=root.type,
        iops=root.iops,
        throughput=root.throughput,
    )
    backend.attach_volume(volume.id, instance.id, root.device_name, True)
    volume.add_tags(tags)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
