"""Instance types: what a machine of each has, and how that fits this host."""

from __future__ import annotations

import os
from functools import lru_cache

from amikiln_localcloud.api.ec2.catalogue import read_types
from amikiln_localcloud.api.errors import ec2_error


@lru_cache(maxsize=64)
def shape(instance_type: str) -> tuple[int, int, tuple[str, ...]]:
    """Return an instance type's virtual processors, memory in MiB, and architectures.

    Raises:
        EC2ClientError: InvalidParameterValue, as RunInstances answers for an unknown type.
    """
    try:
        facts = read_types()[instance_type]
    except KeyError:
        raise ec2_error(
            "InvalidParameterValue", f"Invalid value '{instance_type}' for InstanceType."
        ) from None
    return (
        int(facts["VCpuInfo"]["DefaultVCpus"]),
        int(facts["MemoryInfo"]["SizeInMiB"]),
        tuple(facts["ProcessorInfo"]["SupportedArchitectures"]),
    )


def fit_to_host(cores: int, memory_mib: int) -> tuple[int, int]:
    """Cap a machine to what this host has: its cores, and half of its memory.

    The other half is for the page cache, which every guest's disk goes through, and for a
    second machine beside the first.
    """
    host_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return min(cores, os.cpu_count() or 1), min(memory_mib, max(host_mib // 2, 512))
