"""boto3's exceptions, explained in one line."""

from __future__ import annotations

import re

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    MetadataRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ResponseStreamingError,
)

from amikiln.aws.credentials import CredentialsEnded
from amikiln.errors import AmikilnError

LOG_IN_AGAIN = (
    "log in again, and start the run again: it takes up an image that EC2 has begun, and removes"
    " what is left of this run"
)
REFUSALS = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
"""The error codes of a missing permission; services have different ones."""

PASSING = {
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "InternalServerException",
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServerInternal",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TooManyUpdates",
    "Unavailable",
}
"""The error codes of a service that is busy or broken: they say nothing about what was asked.

https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html
https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
"""
FIRST_SERVER_ERROR = 500

AwsFailure = (ClientError, BotoCoreError)
"""Everything that a call through boto3 is documented to raise."""


def error_code(error: ClientError) -> str:
    """Return AWS's error code, as ``InvalidAMIID.NotFound``."""
    return str(error.response.get("Error", {}).get("Code", "Unknown"))


def is_passing(error: BaseException) -> bool:
    """Tell whether a failure is no answer: AWS was busy or broken, or could not be reached.

    The same call may succeed a moment later. An expired token or a refusal is an answer.
    """
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return error_code(error) in PASSING or status >= FIRST_SERVER_ERROR
    if isinstance(error, MetadataRetrievalError | ResponseStreamingError):
        return True
    lost = isinstance(error, ConnectionError | HTTPClientError)
    # A certificate that is wrong now is wrong in a minute, too.
    return lost and "CERTIFICATE_VERIFY_FAILED" not in str(error)


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
    if isinstance(error, CredentialsEnded):
        return str(error), LOG_IN_AGAIN
    if isinstance(error, NoRegionError):
        return "there is no AWS region", "set region in image.toml"
    if isinstance(error, ConnectionError | HTTPClientError):
        return str(error), "check the network, AWS_ENDPOINT_URL, and `amikiln cloud status`"
    return f"{type(error).__name__}: {error}", None


def convert(
    error: ClientError | BotoCoreError, kind: type[AmikilnError], region: str
) -> AmikilnError:
    """Return an error of ours that says what boto3's says, and where.

    Args:
        error: What boto3 raised.
        kind: Which of ours.
        region: The AWS region that was asked.
    """
    what, hint = explain(error)
    return kind(f"{what} (region {region})", hint=hint)


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
        return f"the AWS credentials have expired: {LOG_IN_AGAIN}"
    if "Throttl" in code or code == "RequestLimitExceeded":
        return "AWS limits how often it can be called, and retries did not help: try again later"
    return None
