"""Why nobody could connect to AWS, and the command that mends it.

What botocore raises before the first answer, and what STS answers with:
https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from amikiln.aws.errors import error_code, explain

EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}
INVALID = {"InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure"}
"""Also the answer of a region that is not enabled, for it does not know the account:
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html"""
NOT_ENABLED = {"RegionDisabledException", "OptInRequired"}
WRONG_SIGNATURE = {"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature"}
WRONG_TIME = {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"}
SSO = (
    boto.SSOError,
    boto.SSOTokenLoadError,
    boto.UnauthorizedSSOTokenError,
    boto.TokenRetrievalError,
)
WRONG_FILE = (
    boto.ConfigParseError,
    boto.ConfigNotFound,
    boto.InfiniteLoopConfigError,
    boto.InvalidConfigError,
    boto.UnknownCredentialError,
)
BY_LOCAL = "or use --local for the local cloud"


@dataclass(frozen=True)
class Attempt:
    """What was tried.

    Attributes:
        region: An AWS region, as the spec has it.
        profile: The profile in use, as AWS_PROFILE names it; None: the default one.
        source: Where the credentials are from, as botocore calls it; None: there are none.
        profiles: Those that there are.
        regions: Those that botocore knows.
        is_known_elsewhere: Asks whether AWS takes the same credentials in another region.
    """

    region: str
    profile: str | None
    source: str | None
    profiles: Sequence[str]
    regions: Sequence[str]
    is_known_elsewhere: Callable[[], bool]

    @property
    def with_profile(self) -> str:
        """The option of the AWS CLI that names the profile."""
        return f" --profile {shlex.quote(self.profile)}" if self.profile else ""

    @property
    def owner(self) -> str:
        """Whose credentials they are, in words."""
        if self.source == "env":
            return "the credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        where = f" ({self.source})" if self.source else ""
        return f"the credentials of profile {self.profile or 'default'}{where}"

    def suggest_login(self) -> str:
        """Return how to get other credentials of the same kind."""
        if self.source == "env":
            return (
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY anew, and AWS_SESSION_TOKEN if"
                " they are temporary; or unset all three, for a profile to be used"
            )
        if self.source == "sso":
            return f"`aws sso login{self.with_profile}`"
        if self.source == "login":
            return f"`aws login{self.with_profile}`"
        return f"`aws configure{self.with_profile}`"


def explain_refusal(error: Exception, attempt: Attempt) -> tuple[str, str | None]:
    """Return why nobody could connect, and what mends it, each in one line.

    Args:
        error: What boto3 raised.
        attempt: What was tried.
    """
    if isinstance(error, ClientError):
        return _explain_answer(error, attempt)
    if isinstance(error, boto.ConnectionError | boto.HTTPClientError):
        return _explain_silence(error, attempt)
    with_profile = attempt.with_profile
    if isinstance(error, boto.ProfileNotFound):
        there = ", ".join(attempt.profiles) or "none"
        close = difflib.get_close_matches(attempt.profile or "", attempt.profiles, n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        return (
            f"there is no AWS profile {attempt.profile}; there are: {there}",
            f"{meant}`aws configure{with_profile}` makes it, `aws configure sso{with_profile}` one"
            " with single sign-on; or set AWS_PROFILE to another",
        )
    if isinstance(error, boto.NoCredentialsError):
        return (
            "there are no AWS credentials",
            f"`aws configure{with_profile}`, or `aws configure sso{with_profile}` for single"
            f" sign-on; {BY_LOCAL}",
        )
    if isinstance(error, boto.PartialCredentialsError):
        return (
            f"a part of the AWS credentials is missing: {error}",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, both or none"
            if attempt.source == "env" or "env" in str(error)
            else f"`aws configure{with_profile}`",
        )
    if isinstance(error, SSO):
        return (
            f"profile {attempt.profile or 'default'} is not logged in by single sign-on, or its"
            f" login has expired: {error}",
            f"`aws sso login{with_profile}`",
        )
    if isinstance(error, boto.LoginError):
        return f"the login has expired: {error}", f"`aws login{with_profile}`"
    if isinstance(error, WRONG_FILE):
        return f"AWS's configuration cannot be used: {error}", "correct ~/.aws/config"
    if isinstance(error, boto.CredentialRetrievalError):
        return str(error), "run what the profile names as credential_process by hand"
    if isinstance(error, BotoCoreError):
        return explain(error)
    if isinstance(error, ValueError) and "endpoint" in str(error):
        return f"AWS_ENDPOINT_URL is no URL: {error}", "correct it, or unset AWS_ENDPOINT_URL"
    return f"cannot get AWS credentials: {error}", attempt.suggest_login()


def _explain_answer(error: ClientError, attempt: Attempt) -> tuple[str, str | None]:
    code, region = error_code(error), attempt.region
    message = str(error.response.get("Error", {}).get("Message", "")).strip()
    said = f"{code}: {message}"
    is_about_time = any(word in message for word in ("Signature expired", "not yet current"))
    if code in WRONG_TIME or (code in WRONG_SIGNATURE and is_about_time):
        return (
            f"the clock of this machine is wrong, so AWS refuses what it signs: {said}",
            "set the clock: `timedatectl set-ntp true`, or `sudo ntpdate pool.ntp.org`",
        )
    if code in WRONG_SIGNATURE:
        return (
            f"AWS refuses {attempt.owner}: the secret key is not the access key's ({said})",
            attempt.suggest_login(),
        )
    if code in EXPIRED:
        return f"{attempt.owner} have expired: {said}", attempt.suggest_login()
    if code in NOT_ENABLED or (code in INVALID and attempt.is_known_elsewhere()):
        return (
            f"region {region} is not enabled for this account: {said}",
            f"`aws account enable-region --region-name {region}`, or set region in image.toml",
        )
    if code in INVALID:
        return f"AWS does not know {attempt.owner}: {said}", attempt.suggest_login()
    if error.operation_name.startswith("AssumeRole"):
        return (
            f"{error.operation_name} failed: {said}",
            "let the role's trust policy allow it, or use another profile:"
            " `aws configure list-profiles`",
        )
    return explain(error)


def _explain_silence(error: BotoCoreError, attempt: Attempt) -> tuple[str, str | None]:
    """Explain that nothing answered, or not in a way that can be trusted."""
    url = str(getattr(error, "kwargs", {}).get("endpoint_url") or "")
    host = urlsplit(url).hostname or ""
    if isinstance(error, boto.ProxyConnectionError):
        return str(error), "check HTTPS_PROXY and NO_PROXY"
    if isinstance(error, boto.SSLError):
        return (
            str(error),
            "if a proxy has a certificate of its own, name its file in AWS_CA_BUNDLE",
        )
    if is_loopback(host):
        return (
            f"nothing answers at {url}, where AWS_ENDPOINT_URL leads, and not to AWS",
            "unset AWS_ENDPOINT_URL for AWS; `amikiln cloud up` starts the local cloud;"
            f" {BY_LOCAL}",
        )
    if attempt.region not in attempt.regions and attempt.region in host:
        close = difflib.get_close_matches(attempt.region, attempt.regions, n=3)
        meant = f"; did you mean {' or '.join(close)}?" if close else ""
        return (
            f"there is no AWS region {attempt.region}, as far as is known here: {host} does not"
            f" answer{meant}",
            "correct region in image.toml: `aws account list-regions` lists those of the account",
        )
    return str(error), f"check the network, a proxy, and AWS_ENDPOINT_URL; {BY_LOCAL}"


def is_loopback(host: str) -> bool:
    """Tell whether a host's name or address is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
