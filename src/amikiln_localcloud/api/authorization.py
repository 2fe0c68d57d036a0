"""IAM's refusals in each service's own words, where moto enforces policies.

moto asks whether an action is allowed on the resource ``*``, whatever the request is about: a
policy that names its resources would allow nothing. Here the action alone decides, and a
statement applies to all resources. Conditions are not checked either: moto has no values for
those of the services here. Without moto's enforcement, which is off by default, nothing changes.
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.core.exceptions import JsonRESTError, _RESTError
from moto.core.responses import BaseResponse
from moto.iam.access_control import IAMPolicy, IAMPolicyStatement, IAMRequest, PermissionResult


class LocalIAMRequest(IAMRequest):
    """One request, checked against its caller's policies."""

    def check_action_permitted(self, resource: str) -> None:
        results = {
            IAMPolicyStatement({**statement, "Resource": "*"}).is_action_permitted(self._action)
            for policy in self._access_key.collect_policies()
            for statement in _statements(policy)
        }
        if PermissionResult.DENIED in results or PermissionResult.PERMITTED not in results:
            self._raise_access_denied()

    def _raise_access_denied(self) -> None:
        caller, action = self._access_key.arn, self._action
        why = (
            f"User: {caller} is not authorized to perform: {action} because no identity-based"
            f" policy allows the {action} action"
        )
        if self._service == "ssm":
            raise JsonRESTError("AccessDeniedException", why)
        if self._service == "ec2":
            why = f"You are not authorized to perform this operation. {why}"
            raise AccessDenied("UnauthorizedOperation", why)
        raise AccessDenied("AccessDenied", why)


class AccessDenied(_RESTError):
    """The answer of a service that speaks XML."""

    code = 403


class AuthorizedRequests(BaseResponse):
    """Asks ``LocalIAMRequest`` before each request."""

    def _authenticate_and_authorize_normal_action(self, resource: str = "*") -> None:
        self._authenticate_and_authorize_action(LocalIAMRequest, resource)


def _statements(policy: Any) -> Iterator[dict[str, Any]]:
    found = IAMPolicy(policy)._policy_json["Statement"]
    yield from found if isinstance(found, list) else [found]
