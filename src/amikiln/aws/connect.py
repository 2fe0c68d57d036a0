"""The one place where boto3 clients are made."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, cast

import boto3
from botocore.config import Config
from botocore.credentials import Credentials

from amikiln.aws.autoscaling import AutoScaling
from amikiln.aws.credentials import explain_end
from amikiln.aws.ecr import Ecr
from amikiln.aws.images import Images
from amikiln.aws.instances import Instances
from amikiln.aws.network import Network
from amikiln.aws.parameters import Parameters
from amikiln.aws.permissions import NO_RESOURCE_LEVEL, needs
from amikiln.aws.profiles import InstanceProfiles
from amikiln.aws.recent import Recent
from amikiln.runtime.progress import reporter_for_stderr
from amikiln.runtime.wait import Waiter

AWS = "aws"
OTHER_CLOUD = "x-amikiln-cloud"
"""The header in which a cloud that is not AWS, and answers as AWS does, says its own id."""
DEFAULT_ATTEMPTS = 8
"""Enough for a run of an hour to survive some seconds of throttling."""


@dataclass(frozen=True)
class Cloud:
    """One region of one account, on AWS or on the local cloud.

    Attributes:
        name: ``aws``, or the id of a local cloud.
    """

    name: str
    region: str
    account: str
    instances: Instances
    network: Network
    images: Images
    parameters: Parameters
    autoscaling: AutoScaling
    recent: Recent
    profiles: InstanceProfiles
    ecr: Ecr
    credentials: Credentials | None


# Needs no permission; it is declared so that the policy lists every call:
# https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
@needs("sts:GetCallerIdentity", NO_RESOURCE_LEVEL)
def connect(
    region: str, session: boto3.Session | None = None, recent: Recent | None = None
) -> Cloud:
    """Return the cloud at the environment's endpoint, with the environment's credentials.

    Args:
        region: An AWS region, as ``us-east-1``.
        session: Where credentials come from; boto3's usual chain by default.
        recent: What this process made; nothing yet by default.

    Raises:
        botocore.exceptions.BotoCoreError: No credentials, or no endpoint answers.
        botocore.exceptions.ClientError: STS refuses the credentials.
    """
    session = session or boto3.Session()
    recent = recent or Recent(Waiter(reporter_for_stderr()))
    config = Config(
        region_name=region,
        retries={
            "mode": "standard",
            # boto3 ignores its own variable if there is a value here.
            "max_attempts": int(os.environ.get("AWS_MAX_ATTEMPTS", DEFAULT_ATTEMPTS)),
        },
        connect_timeout=10,
        read_timeout=60,
        user_agent_extra="amikiln",
    )
    credentials = session.get_credentials()
    explain_end(credentials)
    ec2 = session.client("ec2", config=config)
    caller = session.client("sts", config=config).get_caller_identity()
    return Cloud(
        name=caller["ResponseMetadata"]["HTTPHeaders"].get(OTHER_CLOUD, AWS),
        region=region,
        account=caller["Account"],
        instances=Instances(ec2, recent),
        network=Network(ec2, recent),
        images=Images(ec2, recent),
        parameters=Parameters(session.client("ssm", config=config), recent),
        autoscaling=AutoScaling(session.client("autoscaling", config=config), ec2),
        recent=recent,
        ecr=Ecr(cast("Any", session.client)),
        profiles=InstanceProfiles(lambda: session.client("iam", config=config)),
        credentials=credentials,
    )
