"""Why nobody could connect: what is said, and the command that mends it."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError

from amikiln.aws.refusals import Attempt, explain_refusal, is_loopback

REGIONS = ("us-east-1", "us-west-2")


def attempt(**values: Any) -> Attempt:
    known = {
        "region": "us-east-1",
        "profile": "team a",
        "source": "sso",
        "profiles": ("team b", "other"),
        "regions": REGIONS,
        "is_known_elsewhere": lambda: False,
    }
    return Attempt(**{**known, **values})


def answer(code: str, message: str = "no", operation: str = "GetCallerIdentity") -> ClientError:
    said: Any = {"Error": {"Code": code, "Message": message}}
    return ClientError(said, operation)


@pytest.mark.parametrize(
    ("error", "values", "what", "hint"),
    [
        (boto.ProfileNotFound(profile="team a"), {}, "team b, other", "did you mean team b?"),
        (boto.NoCredentialsError(), {"profile": None}, "no AWS credentials", "`aws configure`,"),
        (boto.NoCredentialsError(), {}, "no AWS", "`aws configure --profile 'team a'`"),
        (boto.SSOTokenLoadError(error_msg="x"), {}, "team a", "`aws sso login --profile 'team a'`"),
        (boto.UnauthorizedSSOTokenError(), {}, "has expired", "`aws sso login --profile"),
        (answer("ExpiredToken"), {}, "have expired", "`aws sso login --profile 'team a'`"),
        (answer("ExpiredToken"), {"source": "env"}, "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"),
        (answer("InvalidClientTokenId"), {"source": "x"}, "does not know", "`aws configure"),
        (answer("SignatureDoesNotMatch"), {"source": "x"}, "secret key", "`aws configure"),
        (
            answer("SignatureDoesNotMatch", "Signature not yet current: 1 is later than 2"),
            {},
            "the clock of this machine",
            "timedatectl",
        ),
        (answer("RequestTimeTooSkewed"), {}, "the clock of this machine", "timedatectl"),
        (
            answer("InvalidClientTokenId"),
            {"region": "af-south-1", "is_known_elsewhere": lambda: True},
            "region af-south-1 is not enabled",
            "`aws account enable-region --region-name af-south-1`",
        ),
        (answer("AccessDenied", operation="AssumeRole"), {}, "AssumeRole failed", "trust policy"),
        (
            boto.EndpointConnectionError(endpoint_url="https://sts.us-esat-1.amazonaws.com/"),
            {"region": "us-esat-1"},
            "there is no AWS region us-esat-1",
            "region in image.toml",
        ),
        (
            boto.EndpointConnectionError(endpoint_url="https://sts.us-east-1.amazonaws.com/"),
            {},
            "sts.us-east-1.amazonaws.com",
            "check the network",
        ),
        (
            boto.EndpointConnectionError(endpoint_url="http://127.0.0.1:9/"),
            {},
            "nothing answers at http://127.0.0.1:9/",
            "unset AWS_ENDPOINT_URL",
        ),
        (ValueError("Invalid endpoint: nonsense"), {}, "is no URL", "unset AWS_ENDPOINT_URL"),
    ],
)
def test_each_refusal_has_what_mends_it(
    error: Exception, values: dict[str, Any], what: str, hint: str
) -> None:
    said, mends = explain_refusal(error, attempt(**values))
    assert what in said
    assert hint in (mends or "")
    assert "\n" not in said


def test_this_machine_is_known_by_its_names_and_addresses() -> None:
    assert all(is_loopback(host) for host in ("localhost", "127.0.0.3", "::1", "a.localhost"))
    assert not any(is_loopback(host) for host in ("10.0.0.1", "ec2.amazonaws.com", ""))
