"""Instance types: what a machine of each has, and how that fits this host."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import lru_cache

from moto.ec2.models.instance_types import InstanceType, InstanceTypeBackend

from amikiln_localcloud.api.ec2.lazy_instance_types import read_instance_types
from amikiln_localcloud.api.errors import ec2_error

LEAST_MEMORY_MIB = 512


@dataclass(frozen=True)
class Hardware:
    """What a machine is made of; ``architectures`` are those that it can run."""

    cores: int
    memory_mib: int
    architectures: tuple[str, ...]

    def fit_to_host(self) -> Hardware:
        """Return this hardware, capped to the host's cores and half of the host's memory.

        The other half is for the page cache, which every guest's disk goes through, and for a
        second machine beside the first.
        """
        host_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
        return replace(
            self,
            cores=min(self.cores, os.cpu_count() or 1),
            memory_mib=min(self.memory_mib, max(host_mib // 2, LEAST_MEMORY_MIB)),
        )


@lru_cache(maxsize=64)
def get_hardware(instance_type: str) -> Hardware:
    """Return what an instance type has.

    Raises:
        EC2ClientError: InvalidParameterValue, as RunInstances answers for an unknown type.
    """
    try:
        facts = read_instance_types()[instance_type]
    except KeyError:
        raise ec2_error(
            "InvalidParameterValue", f"Invalid value '{instance_type}' for InstanceType."
        ) from None
    return Hardware(
        cores=int(facts["VCpuInfo"]["DefaultVCpus"]),
        memory_mib=int(facts["MemoryInfo"]["SizeInMiB"]),
        architectures=tuple(facts["ProcessorInfo"]["SupportedArchitectures"]),
    )


class InstanceTypesMixin(InstanceTypeBackend):
    """Instance types that are read on demand: see lazy_instance_types.py."""

    @property
    def instance_types(self) -> list[InstanceType]:  # type: ignore[override]
        found = []
        for name, facts in read_instance_types().items():
            # moto's constructor would look the type up in its own table, which is empty.
            kind = InstanceType.__new__(InstanceType)
            kind.update(facts, name=name)
            found.append(kind)
        return found
