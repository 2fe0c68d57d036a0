"""Root volumes: size, type, IOPS and throughput, from request, launch template and image.

Limits of gp3: https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from amikiln_localcloud.api.errors import ec2_error
from amikiln_localcloud.api.records import RootVolume

GP3_IOPS = (3000, 80_000)
"""The minimum, which is the default, and the maximum."""
GP3_IOPS_PER_GIB = 500
GP3_THROUGHPUT = (125, 2000)
"""The same in MiB/s."""
GP3_THROUGHPUT_PER_IOPS = 0.25


def merge_mappings(
    volume: RootVolume, least_gib: int, source: str, *layers: Iterable[dict[str, Any]] | None
) -> RootVolume:
    """Return a root volume changed by block device mappings.

    Args:
        volume: What the mappings change.
        least_gib: Size in GiB of what the volume will hold.
        source: What that is, for the error.
        layers: Block device mappings; an earlier layer wins over a later one.

    Raises:
        EC2ClientError: As EC2 answers for values that do not fit.
    """
    for layer in reversed(layers):
        for mapping in layer or []:
            volume = apply_mapping(volume, mapping)
    if volume.size < least_gib:
        raise ec2_error(
            "InvalidBlockDeviceMapping",
            f"Volume of size {volume.size}GB is smaller than {source}, "
            f"expect size >= {least_gib}GB",
        )
    check_volume(volume)
    return volume


def apply_mapping(volume: RootVolume, mapping: dict[str, Any]) -> RootVolume:
    """Return the volume with what one block device mapping changes.

    Raises:
        EC2ClientError: UnsupportedOperation for what a machine here does not have.
    """
    device = mapping.get("DeviceName")
    if "NoDevice" in mapping and mapping["NoDevice"] is not None:
        return volume
    if mapping.get("VirtualName"):
        # Instance store volumes are ignored on types that have none, as EC2 does.
        return volume
    if device != volume.device_name:
        raise ec2_error(
            "UnsupportedOperation",
            f"the local cloud's machines have one volume, {volume.device_name}; the block device "
            f"mapping is for {device}",
        )
    ebs = {key: value for key, value in (mapping.get("Ebs") or {}).items() if value is not None}
    if ebs.get("DeleteOnTermination", True) is False:
        raise ec2_error(
            "UnsupportedOperation",
            "the local cloud keeps no volume after its instance: leave out DeleteOnTermination, "
            "or make it true",
        )
    if ebs.get("Encrypted"):
        raise ec2_error("UnsupportedOperation", "the local cloud's volumes are not encrypted")
    kind = str(ebs.get("VolumeType", volume.type))
    base = volume if kind == volume.type else replace(volume, iops=None, throughput=None)
    return replace(
        base,
        type=kind,
        size=int(ebs.get("VolumeSize", volume.size)),
        iops=_to_int(ebs.get("Iops"), base.iops),
        throughput=_to_int(ebs.get("Throughput"), base.throughput),
    )


def check_image_mappings(mappings: Iterable[dict[str, Any]], root_device: str) -> None:
    """Refuse what CreateImage cannot change: of an existing volume, all but DeleteOnTermination.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html

    Args:
        mappings: The request's block device mappings.
        root_device: The name of the only existing volume's device.

    Raises:
        EC2ClientError: InvalidBlockDeviceMapping.
    """
    for mapping in mappings:
        if mapping.get("DeviceName") != root_device:
            continue
        if mapping.get("NoDevice") is not None:
            raise ec2_error(
                "InvalidBlockDeviceMapping", f"the root volume, {root_device}, cannot be left out"
            )
        ebs = {key for key, value in (mapping.get("Ebs") or {}).items() if value is not None}
        if changed := sorted(ebs - {"DeleteOnTermination"}):
            raise ec2_error(
                "InvalidBlockDeviceMapping",
                f"{', '.join(changed)} of {root_device} cannot be changed: the only option that can"
                " be changed for existing mappings is DeleteOnTermination",
            )


def check_volume(volume: RootVolume) -> None:
    """Refuse what EC2 refuses.

    Raises:
        EC2ClientError: InvalidParameterValue or InvalidParameterCombination.
    """
    if volume.type != "gp3":
        if volume.throughput is not None:
            raise ec2_error(
                "InvalidParameterCombination",
                f"The parameter throughput is not supported for {volume.type} volumes.",
            )
        return
    iops, throughput = volume.iops or GP3_IOPS[0], volume.throughput or GP3_THROUGHPUT[0]
    if not GP3_IOPS[0] <= iops <= GP3_IOPS[1]:
        raise ec2_error(
            "InvalidParameterValue",
            f"Volume iops of {iops} is outside of {GP3_IOPS[0]} to {GP3_IOPS[1]} for gp3 volumes.",
        )
    if iops > max(GP3_IOPS[0], volume.size * GP3_IOPS_PER_GIB):
        raise ec2_error(
            "InvalidParameterCombination",
            f"The iops to volume size ratio of {iops / volume.size:.1f} is too high; "
            f"maximum is {GP3_IOPS_PER_GIB}.",
        )
    if not GP3_THROUGHPUT[0] <= throughput <= GP3_THROUGHPUT[1]:
        raise ec2_error(
            "InvalidParameterValue",
            f"Volume throughput of {throughput} is outside of {GP3_THROUGHPUT[0]} to "
            f"{GP3_THROUGHPUT[1]} for gp3 volumes.",
        )
    if throughput > iops * GP3_THROUGHPUT_PER_IOPS:
        raise ec2_error(
            "InvalidParameterCombination",
            f"The throughput to iops ratio of {throughput / iops:.3f} is too high; "
            f"maximum is {GP3_THROUGHPUT_PER_IOPS}.",
        )


def _to_int(value: Any, default: int | None) -> int | None:
    return default if value is None else int(value)
