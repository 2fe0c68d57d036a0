"""boto3's exceptions, explained in one line."""

from __future__ import annotations

import re

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
)

REFUSALS = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
"""The error codes of a missing permission; services have different ones."""

AwsFailure = (ClientError, BotoCoreError)
"""Everything that a call through boto3 is documented to raise."""


def error_code(error: ClientError) -> str:
    """Return AWS's error code, as ``InvalidAMIID.NotFound``."""
    return str(error.response.get("Error", {}).get("Code", "Unknown"))


def explain(error: ClientError | BotoCoreError) -> tuple[str, str | None]:
    """Return what failed and what to do next, each in one line.

    Args:
        error: What boto3 raised; its text names the resource, and the operation for AWS's answers.
    """
    if isinstance(error, ClientError):
        message = str(error.response.get("Error", {}).get("Message", "")).strip()
        code = error_code(error)
        hint = _suggest_permission(error, message) if code in REFUSALS else _suggest(code)
        return f"{error.operation_name} failed: {code}: {message}", hint
    if isinstance(error, NoCredentialsError):
        return "there are no AWS credentials", "log in to AWS, or use --local for the local cloud"
    if isinstance(error, NoRegionError):
        return "there is no AWS region", "set region in image.toml"
    if isinstance(error, EndpointConnectionError):
        return str(error), "check the network, AWS_ENDPOINT_URL, and `amikiln cloud status`"
    return f"{type(error).__name__}: {error}", None


def _suggest_permission(error: ClientError, message: str) -> str:
    """Return which permission is missing, as AWS's message names it.

    It may be another one than the operation's: RunInstances also needs ec2:CreateTags.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    """
    named = re.search(r"not authorized to perform: (\w+:\w+)", message)
    action = named[1] if named else error.operation_name
    return (
        f"allow {action} for the credentials in use:"
        " `amikiln export iam-policy IMAGE_DIR` prints the whole policy"
    )


def _suggest(code: str) -> str | None:
    if code in {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}:
        return "log in again: the AWS credentials have expired"
    if "Throttl" in code or code == "RequestLimitExceeded":
        return "AWS limits how often it can be called, and retries did not help: try again later"
    return None
