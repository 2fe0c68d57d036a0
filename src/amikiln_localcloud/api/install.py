"""Registers the overrides with moto, for one cloud at a time."""

from __future__ import annotations

import functools
from typing import Any

from moto.autoscaling.models import autoscaling_backends
from moto.core import responses, utils
from moto.core.base_backend import BackendDict
from moto.ec2.models import ec2_backends
from moto.ssm.models import ssm_backends

from amikiln_localcloud.api.autoscaling.service import LocalAutoScalingBackend, maintain_groups
from amikiln_localcloud.api.cloud import Cloud
from amikiln_localcloud.api.ec2.service import LocalEC2Backend
from amikiln_localcloud.api.ssm.parameters import LocalSSMBackend


def install(cloud: Cloud) -> None:
    """Make moto's services this cloud's, empty.

    moto keeps its state in these dictionaries, so that a process can hold one cloud at a time. It
    makes a region's backend with ``backend`` when a request asks for the region first.
    """
    used: list[BackendDict[Any]] = BackendDict._instances  # type: ignore[misc]
    for backends in used:
        backends.clear()
    used.clear()
    _register(ec2_backends, functools.partial(LocalEC2Backend, cloud=cloud))
    _register(ssm_backends, functools.partial(LocalSSMBackend, cloud=cloud))
    _register(autoscaling_backends, LocalAutoScalingBackend)
    # moto lists the methods of a service's class with each request, which takes a quarter of the
    # time; it finds the function by this name only.
    responses.method_names_from_class = functools.cache(utils.method_names_from_class)  # type: ignore[attr-defined]
    cloud.run_in_background("groups", lambda: maintain_groups(cloud))


def install_on_demand(service: str) -> None:
    """Register the overrides of a service that is imported with the first request for it.

    Args:
        service: As moto names its packages.
    """
    if service == "cloudformation":
        # It imports all of moto's services: a second, which most clouds never need.
        from amikiln_localcloud.api.cloudformation import service as cloudformation

        cloudformation.install()


def _register(backends: Any, make_backend: Any) -> None:
    backends.backend = make_backend
