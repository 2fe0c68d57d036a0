"""How long the credentials in use last.

botocore renews most temporary ones by itself. It does not renew those of the environment, nor a
role that was assumed with a code of a multi-factor device, although both are of the same class.
https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from botocore.credentials import Credentials, RefreshableCredentials

ENVIRONMENT = "env"
"""botocore's name for the source of credentials in environment variables."""


@dataclass(frozen=True)
class CredentialsLife:
    """How long credentials last.

    Attributes:
        source: Where they come from, as botocore calls it: ``env``, ``iam-role``, ``sso``.
        is_renewed: Whether botocore renews them by itself.
        is_temporary: Whether they end at all.
        ends: When; None: they are renewed, do not end, or do not say.
    """

    source: str
    is_renewed: bool
    is_temporary: bool
    ends: datetime | None


def describe_life(credentials: Credentials | None) -> CredentialsLife | None:
    """Return how long credentials last; None: there are none."""
    if credentials is None:
        return None
    if not isinstance(credentials, RefreshableCredentials):
        return CredentialsLife(credentials.method, False, credentials.token is not None, None)
    # Private to botocore; without it a run could fail in the middle.
    refresh = getattr(credentials, "_refresh_using", None)
    needs_code = hasattr(refresh, "_has_been_called")
    if credentials.method == ENVIRONMENT or needs_code:
        ends: datetime | None = getattr(credentials, "_expiry_time", None)
        return CredentialsLife(credentials.method, False, True, ends)
    return CredentialsLife(credentials.method, True, True, None)
