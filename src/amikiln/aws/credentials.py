"""How long the credentials in use last, and what is said once they have ended.

botocore renews most temporary ones by itself. It does not renew those of the environment, nor a
role that was assumed with a code of a multi-factor device, although both are of the same class.
https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import BotoCoreError, RefreshWithMFAUnsupportedError

ENVIRONMENT = "env"
"""botocore's name for the source of credentials in environment variables."""
ENDED_EARLY = timedelta(minutes=10)
"""So long before their end botocore wants to renew credentials, and fails where it cannot: those of
an MFA code. What is in the environment it reads there again."""


class CredentialsEnded(BotoCoreError):
    """Credentials that nothing renews have ended."""

    fmt = "the AWS credentials ({source}) ended at {ends}, and nothing renews them"


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

    def minutes_left(self, now: datetime | None = None) -> int | None:
        """Return after how many whole minutes they end; None where ``ends`` is."""
        if self.ends is None:
            return None
        return int((self.ends - (now or datetime.now(UTC))).total_seconds() // 60)


class _FixedEnd:
    """In place of what should renew credentials and cannot: says so once they have ended.

    botocore itself raises a RuntimeError then, as for a fault of its own.
    """

    def __init__(self, credentials: RefreshableCredentials, renew: Callable[[], Any]) -> None:
        self._credentials = credentials
        self._renew = renew
        self.needs_code = hasattr(renew, "_has_been_called")

    def __call__(self) -> Any:
        try:
            metadata = self._renew()
        except RefreshWithMFAUnsupportedError as error:
            raise self._explain() from error
        ends = _read_end(self._credentials)
        if ends is not None and ends <= datetime.now(UTC) and not self.needs_code:
            raise self._explain()
        return metadata

    def _explain(self) -> CredentialsEnded:
        life = describe_life(self._credentials)
        ends = f"{life.ends:%Y-%m-%d %H:%M} UTC" if life and life.ends else "an unknown time"
        return CredentialsEnded(source=self._credentials.method, ends=ends)


def explain_end(credentials: Credentials | None) -> None:
    """Let credentials that nothing renews raise CredentialsEnded once they have ended."""
    if isinstance(credentials, RefreshableCredentials) and _is_fixed(credentials):
        private: Any = credentials
        if not isinstance(private._refresh_using, _FixedEnd):
            private._refresh_using = _FixedEnd(credentials, private._refresh_using)


def describe_life(credentials: Credentials | None) -> CredentialsLife | None:
    """Return how long credentials last; None: there are none."""
    if credentials is None:
        return None
    if not isinstance(credentials, RefreshableCredentials):
        return CredentialsLife(credentials.method, False, credentials.token is not None, None)
    if not _is_fixed(credentials):
        return CredentialsLife(credentials.method, True, True, None)
    ends = _read_end(credentials)
    if ends is not None and credentials.method != ENVIRONMENT:
        ends -= ENDED_EARLY
    return CredentialsLife(credentials.method, False, True, ends)


def _is_fixed(credentials: RefreshableCredentials) -> bool:
    # Private to botocore; without it a run could fail in the middle.
    renew = getattr(credentials, "_refresh_using", None)
    needs_code = hasattr(renew, "_has_been_called") or getattr(renew, "needs_code", False)
    return credentials.method == ENVIRONMENT or needs_code


def _read_end(credentials: RefreshableCredentials) -> datetime | None:
    ends: datetime | None = getattr(credentials, "_expiry_time", None)
    return ends.astimezone(UTC) if ends is not None else None
