"""Instance profiles: whether the one that a spec names exists."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from amikiln.aws.errors import error_code
from amikiln.aws.permissions import SpecResource, from_spec, needs


class InstanceProfiles:
    """Looks up instance profiles.

    Args:
        make_client: Makes IAM's client: few specs need one, and making it takes a while.
    """

    def __init__(self, make_client: Callable[[], Any]) -> None:
        self._make_client = make_client

    @cached_property
    def _client(self) -> Any:
        return self._make_client()

    @needs("iam:GetInstanceProfile", *from_spec(SpecResource.PROFILE))
    def exists(self, name: str) -> bool:
        """Return whether there is an instance profile of this name."""
        try:
            self._client.get_instance_profile(InstanceProfileName=name)
        except ClientError as error:
            if error_code(error) == "NoSuchEntity":
                return False
            raise
        return True
