"""Puts the overrides into moto, for one cloud at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.autoscaling import models as autoscaling_models
from moto.core.base_backend import BackendDict
from moto.ec2.models import ec2_backends
from moto.ssm.models import ssm_backends

from amikiln_localcloud.api.autoscaling.groups import LocalGroup
from amikiln_localcloud.api.autoscaling.service import LocalAutoScalingBackend, keep_groups
from amikiln_localcloud.api.ec2.service import LocalEC2Backend
from amikiln_localcloud.api.ssm.parameters import LocalSSMBackend

if TYPE_CHECKING:
    from amikiln_localcloud.api.cloud import Cloud


def install(cloud: Cloud) -> None:
    """Make moto's services this cloud's, empty.

    moto keeps its state in module globals, so that a process can hold one cloud at a time.
    """
    used: list[BackendDict[Any]] = BackendDict._instances  # type: ignore[misc]
    for backends in used:
        backends.clear()
    used.clear()
    LocalEC2Backend.cloud = LocalSSMBackend.cloud = cloud
    ssm_backends.backend = LocalSSMBackend
    ec2_backends.backend = LocalEC2Backend
    LocalAutoScalingBackend.cloud = cloud
    autoscaling_models.autoscaling_backends.backend = LocalAutoScalingBackend
    # The backend makes its groups by this name.
    autoscaling_models.FakeAutoScalingGroup = LocalGroup  # type: ignore[misc]
    cloud.in_background("groups", lambda: keep_groups(cloud))


def install_on_demand(service: str) -> None:
    """Put in the overrides of a service that is imported when somebody asks for it.

    Args:
        service: As moto names its packages.
    """
    if service == "cloudformation":
        # It imports moto's every service: a second, which most clouds never need.
        from amikiln_localcloud.api.cloudformation import service as cloudformation

        cloudformation.install()
