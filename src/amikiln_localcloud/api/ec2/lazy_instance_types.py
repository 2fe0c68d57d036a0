"""moto's instance types, read on demand instead of at import.

At import moto parses 870 instance types and the offerings of every region into 40 MB of objects.
Here both are read when a request needs them, the offerings for the requested region only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import moto.utilities.utils as moto_utils

MODELS = "moto.ec2.models.instance_types"
TYPES = "../resources/instance_types.json"
OFFERINGS = "../resources/instance_type_offerings"

_load_resource = moto_utils.load_resource


class LazyOfferings(Mapping[str, Any]):
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


def read_instance_types() -> dict[str, Any]:
    """Return all instance types by name, as DescribeInstanceTypes reports them."""
    types: dict[str, Any] = _load_resource(MODELS, TYPES)
    return types


def import_moto_ec2() -> None:
    """Import moto's EC2 without its instance types.

    If something has imported ``moto.ec2`` before, more memory is used, and nothing else differs.
    """

    def skip_instance_types(package: str, resource: str) -> Any:
        if package == MODELS:
            return {} if resource == TYPES else []
        return _load_resource(package, resource)

    # moto reads its resources while it is imported: there is no argument to pass.
    moto_utils.load_resource = skip_instance_types
    try:
        from moto.ec2.models import instance_types
    finally:
        moto_utils.load_resource = _load_resource
    for location_type in ("availability-zone", "availability-zone-id", "region"):
        instance_types.INSTANCE_TYPE_OFFERINGS[location_type] = LazyOfferings(location_type)
