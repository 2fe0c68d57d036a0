"""The one place where boto3 clients are made."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import create_loader

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
from amikiln.aws.refusals import Attempt, explain_refusal
from amikiln.errors import PreflightError
from amikiln.runtime.progress import reporter_for_stderr
from amikiln.runtime.wait import Waiter

AWS = "aws"
OTHER_CLOUD = "x-amikiln-cloud"
"""The header in which a cloud that is not AWS, and answers as AWS does, says its own id."""
HOME_REGION, HOME_REGIONS = "us-east-1", {"cn": "cn-north-1", "eusc": "eusc-de-east-1"}
"""By the first part of a region's name: where every account of its partition is known."""
FIRST_ATTEMPTS = 2
DEFAULT_ATTEMPTS = 8
"""Enough for a run of an hour to survive some seconds of throttling."""


@dataclass(frozen=True)
class Cloud:
    """One region of one account, on AWS or on the local cloud.

    Attributes:
        name: ``aws``, or the id of a local cloud.
        caller: The ARN of whose credentials are used.
        endpoint: Where its API is, if that is none of AWS's.
    """

    name: str
    region: str
    account: str
    caller: str
    endpoint: str | None
    instances: Instances
    network: Network
    images: Images
    parameters: Parameters
    autoscaling: AutoScaling
    recent: Recent
    profiles: InstanceProfiles
    ecr: Ecr
    credentials: Credentials | None

    def aws(self, *words: str) -> str:
        """Return a command of the AWS CLI for this very cloud, to be copied into a shell.

        Args:
            words: As ``ec2``, ``describe-images``.
        """
        place = ("--endpoint-url", self.endpoint) if self.endpoint else ()
        return shlex.join(["aws", *place, *words[:2], "--region", self.region, *words[2:]])

    def amikiln(self, *words: str) -> str:
        """Return one of our own commands for this very cloud, to be copied into a shell.

        Args:
            words: As ``status``, ``images/cpu-build``; capitals are for the user to fill in.
        """
        return shlex.join(["amikiln", *words, *(("--local",) if self.name != AWS else ())])


def connect(
    region: str, session: boto3.Session | None = None, recent: Recent | None = None
) -> Cloud:
    """Return the cloud at the environment's endpoint, with the environment's credentials.

    Args:
        region: An AWS region, as ``us-east-1``.
        session: Where credentials come from; boto3's usual chain by default.
        recent: What this process made; nothing yet by default.

    Raises:
        PreflightError: There are no credentials, AWS refuses them, or nothing answers.
    """
    try:
        session = session or boto3.Session()
        return _connect(region, session, recent)
    except (BotoCoreError, ClientError, ValueError, OSError) as error:
        what, hint = explain_refusal(error, _describe_attempt(region, session))
        raise PreflightError(f"{what} (region {region})", hint=hint) from error


# Needs no permission; it is declared so that the policy lists every call:
# https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
@needs("sts:GetCallerIdentity", NO_RESOURCE_LEVEL)
def _connect(region: str, session: boto3.Session, recent: Recent | None) -> Cloud:
    recent = recent or Recent(Waiter(reporter_for_stderr()))
    config = _configure(region, _read_attempts(), connect_seconds=10)
    # Before anything is made it is better to fail soon than late.
    first = _configure(region, min(FIRST_ATTEMPTS, _read_attempts()), connect_seconds=4)
    credentials = session.get_credentials()
    explain_end(credentials)
    caller = session.client("sts", config=first).get_caller_identity()
    ec2 = session.client("ec2", config=config)
    return Cloud(
        name=caller["ResponseMetadata"]["HTTPHeaders"].get(OTHER_CLOUD, AWS),
        region=region,
        account=caller["Account"],
        caller=caller["Arn"],
        endpoint=None if is_of_aws(ec2.meta.endpoint_url) else ec2.meta.endpoint_url,
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


def is_of_aws(url: str) -> bool:
    """Tell whether an endpoint is one of AWS's own, or of a VPC's.

    https://docs.aws.amazon.com/general/latest/gr/rande.html
    """
    host = urlsplit(url).hostname or ""
    return bool(re.search(r"\.(amazonaws\.(com|com\.cn|eu)|api\.aws)$", host))


def _configure(region: str, attempts: int, connect_seconds: int) -> Config:
    return Config(
        region_name=region,
        # boto3 ignores AWS_MAX_ATTEMPTS if there is a value here.
        retries={"mode": "standard", "max_attempts": attempts},
        connect_timeout=connect_seconds,
        read_timeout=60,
        user_agent_extra="amikiln",
    )


def _read_attempts() -> int:
    text = os.environ.get("AWS_MAX_ATTEMPTS", str(DEFAULT_ATTEMPTS))
    if not text.isdigit() or text == "0":
        raise PreflightError(f"AWS_MAX_ATTEMPTS is {text!r}, not a number", hint="unset it")
    return int(text)


def _describe_attempt(region: str, session: boto3.Session | None) -> Attempt:
    found = botocore.session.Session()
    named = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")
    try:
        profiles, source = found.available_profiles, _find_source(session)
    except (BotoCoreError, ClientError, OSError):
        profiles, source = [], None
    # A session looks at its profile first, which may be what is missing.
    loaded = create_loader().load_data("endpoints")
    regions = sorted(name for part in loaded["partitions"] for name in part["regions"])
    return Attempt(
        region, named, source, profiles, regions, lambda: _is_known_elsewhere(region, session)
    )


def _find_source(session: boto3.Session | None) -> str | None:
    credentials = session.get_credentials() if session is not None else None
    return credentials.method if credentials is not None else None


@needs("sts:GetCallerIdentity", NO_RESOURCE_LEVEL)
def _is_known_elsewhere(region: str, session: boto3.Session | None) -> bool:
    """Tell whether AWS takes the credentials in the region that every account has."""
    home = HOME_REGIONS.get(region.split("-")[0], HOME_REGION)
    if session is None or region == home or os.environ.get("AWS_ENDPOINT_URL"):
        return False
    try:
        sts = session.client("sts", config=_configure(home, 1, connect_seconds=4))
        return bool(sts.get_caller_identity())
    except (BotoCoreError, ClientError):
        return False
