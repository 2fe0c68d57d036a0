"""What boto3's exceptions mean, in one line."""

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
"""IAM's refusals, as different services call them."""

AwsFailure = (ClientError, BotoCoreError)
"""Everything that a call through boto3 raises on purpose."""


def error_code(error: ClientError) -> str:
    """Return AWS's code of an error, as ``InvalidAMIID.NotFound``."""
    return str(error.response.get("Error", {}).get("Code", "Unknown"))


def explain(error: ClientError | BotoCoreError) -> tuple[str, str | None]:
    """Return what failed and what to do next, each in one line.

    Args:
        error: What boto3 raised; its text names the resource, and the operation for AWS's answers.
    """
    if isinstance(error, ClientError):
        message = str(error.response.get("Error", {}).get("Message", "")).strip()
        code = error_code(error)
        hint = _refused(error, message) if code in REFUSALS else _hint(code)
        return f"{error.operation_name} failed: {code}: {message}", hint
    if isinstance(error, NoCredentialsError):
        return "there are no AWS credentials", "log in to AWS, or use --local for the local cloud"
    if isinstance(error, NoRegionError):
        return "no AWS region is chosen", "set region in image.toml"
    if isinstance(error, EndpointConnectionError):
        return str(error), "check the network, AWS_ENDPOINT_URL, and `amikiln cloud status`"
    return f"{type(error).__name__}: {error}", None


def _refused(error: ClientError, message: str) -> str:
    """Return what to do about a missing permission; AWS's text names the very action.

    It need not be the operation's own: RunInstances is refused for want of ec2:CreateTags too.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    """
    named = re.search(r"not authorized to perform: (\w+:\w+)", message)
    action = named[1] if named else error.operation_name
    return (
        f"allow {action} to the credentials in use:"
        " `amikiln export iam-policy IMAGE_DIR` prints the whole policy"
    )


def _hint(code: str) -> str | None:
    if code in {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}:
        return "log in again: the credentials have expired"
    if "Throttl" in code or code == "RequestLimitExceeded":
        return "AWS refused to answer that often, even after retries: try again later"
    return None
