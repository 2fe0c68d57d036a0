"""What DescribeInstanceTypes says of an instance type.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceTypeInfo.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TypeRecord:
    """An instance type, as DescribeInstanceTypes describes it.

    Attributes:
        architectures: Those it supports.
        ebs_mb: How many MB/s it moves to and from its volumes at most; None: AWS does not say.
        ebs_iops: How many operations a second, likewise.
    """

    architectures: frozenset[str]
    ebs_mb: float | None
    ebs_iops: int | None


def read_type(raw: Mapping[str, Any]) -> TypeRecord:
    """Return an instance type out of an answer of DescribeInstanceTypes."""
    ebs = raw.get("EbsInfo", {}).get("EbsOptimizedInfo", {})
    return TypeRecord(
        frozenset(raw["ProcessorInfo"]["SupportedArchitectures"]),
        ebs.get("MaximumThroughputInMBps"),
        ebs.get("MaximumIops"),
    )
