"""moto's catalogue of instance types, without holding all of it in memory.

At import moto parses 870 instance types and the offerings of every region, 40 MB of objects.
Here both are read when somebody asks, and only the asked region's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import moto.utilities.utils as moto_utils

MODELS = "moto.ec2.models.instance_types"
TYPES = "../resources/instance_types.json"
OFFERINGS = "../resources/instance_type_offerings"

_load_resource = moto_utils.load_resource


class OfferingsOnDemand(Mapping[str, Any]):
    """moto's INSTANCE_TYPE_OFFERINGS of one location type, by region."""

    def __init__(self, location_type: str) -> None:
        self._location_type = location_type

    def __getitem__(self, region: str) -> Any:
        try:
            offerings = _load_resource(MODELS, f"{OFFERINGS}/{self._location_type}/{region}.json")
        except FileNotFoundError:
            raise KeyError(region) from None
        for offering in offerings:
            offering["LocationType"] = self._location_type
        return offerings

    def __iter__(self) -> Iterator[str]:
        raise NotImplementedError("regions are not listed by their offerings")

    def __len__(self) -> int:
        raise NotImplementedError("regions are not counted by their offerings")


def read_types() -> dict[str, Any]:
    """Return all instance types by name, as DescribeInstanceTypes tells of them."""
    types: dict[str, Any] = _load_resource(MODELS, TYPES)
    return types


def import_without_catalogue() -> None:
    """Import moto's EC2 with its catalogue of instance types left to be read on demand.

    Where something imported ``moto.ec2`` before, more memory is used and all else is the same.
    """

    def withhold(package: str, resource: str) -> Any:
        if package == MODELS:
            return {} if resource == TYPES else []
        return _load_resource(package, resource)

    moto_utils.load_resource = withhold
    try:
        from moto.ec2.models import instance_types
    finally:
        moto_utils.load_resource = _load_resource
    for location_type in ("availability-zone", "availability-zone-id", "region"):
        instance_types.INSTANCE_TYPE_OFFERINGS[location_type] = OfferingsOnDemand(location_type)
