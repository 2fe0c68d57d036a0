"""An account whose user may do what the exported policy allows, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from amikiln.export import iam_policy
from amikiln.export.iam_scope import Scope
from amikiln.model.result import RunResult
from export.iam_simulator import ACCOUNT
from fakes import spec
from harness import FOLLOWED, Harness
from localcloud.enforcement import Policy

SPEC = spec(fleet=FOLLOWED)
POLICY: Policy = iam_policy.build_policy(Scope(SPEC, ACCOUNT))
BY_CONFIGURATION = "by-configuration"


def make_group_by_configuration(harness: Harness) -> None:
    autoscaling = harness.boto.client("autoscaling")
    autoscaling.create_launch_configuration(
        LaunchConfigurationName=BY_CONFIGURATION,
        ImageId=harness.cloud.base,
        InstanceType="t3.micro",
    )
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=BY_CONFIGURATION,
        MinSize=0,
        MaxSize=1,
        AvailabilityZones=["us-east-1a"],
        LaunchConfigurationName=BY_CONFIGURATION,
    )


@dataclass(frozen=True)
class Account:
    """An account that all tests of a file share.

    Attributes:
        harness: The user's session; its own clients are an administrator's.
        allow: Gives the user another policy in the place of the one before.
        first: What the user's first whole cycle did, with ``POLICY``.
    """

    harness: Harness
    allow: Callable[[Policy], None]
    first: RunResult
