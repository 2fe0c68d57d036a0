"""The local cloud with moto's IAM enforcement: an administrator, and a user with a policy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from localcloud.fixture import CloudFixture, Keys

EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
Policy = dict[str, Any]


class User:
    """A user whose only policy can be changed.

    Attributes:
        keys: What the user's sessions are made with.
    """

    def __init__(self, iam: Any, name: str, policy: Policy) -> None:
        self._iam = iam
        self._name = name
        iam.create_user(UserName=name)
        self.allow(policy)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        self.keys: Keys = (made["AccessKeyId"], made["SecretAccessKey"])

    def allow(self, policy: Policy) -> None:
        """Give the user this policy in the place of the one before."""
        self._iam.put_user_policy(
            UserName=self._name, PolicyName="only", PolicyDocument=json.dumps(policy)
        )


@contextmanager
def enforce(cloud: CloudFixture, policy: Policy) -> Iterator[User]:
    """Let a cloud enforce policies during the block; its sessions are an administrator's.

    Args:
        cloud: A running one.
        policy: What the user may do that is returned.
    """
    # Imported here: the overrides have to be imported before moto, as in the daemon.
    from moto.core.authorization import enable_iam_authentication

    anybody = cloud.keys
    cloud.keys = User(cloud.client("iam"), "administrator", EVERYTHING).keys
    try:
        with enable_iam_authentication():
            yield User(cloud.session().client("iam"), "builder", policy)
    finally:
        cloud.keys = anybody
