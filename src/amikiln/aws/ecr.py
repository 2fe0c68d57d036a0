"""ECR: logins for its registries."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from typing import Any

from amikiln.aws.permissions import SpecResource, from_spec, implied_permission, needs

PUBLIC_REGION = "us-east-1"
"""The only region in which public registries give tokens.

https://docs.aws.amazon.com/AmazonECR/latest/public/public-registry-auth.html
"""

PULL = tuple(
    implied_permission(f"ecr:{action}", *from_spec(SpecResource.REPOSITORIES))
    for action in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
)
"""What pulling with such a login needs.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-pull.html
"""


class Ecr:
    """Gets logins, which last for 12 hours.

    Args:
        make_client: Makes the client of a service in a region, as ``boto3.Session.client``; few
            specs need one.
    """

    def __init__(self, make_client: Callable[[str, str], Any]) -> None:
        self._client_of = cache(make_client)

    @needs("ecr:GetAuthorizationToken", *from_spec(SpecResource.ECR_TOKEN), implies=PULL)
    def get_login(self, region: str) -> tuple[str, str]:
        """Return user and password for the private registries of a region.

        https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
        """
        answer = self._client_of("ecr", region).get_authorization_token()
        return _decode(answer["authorizationData"][0]["authorizationToken"])

    @needs(
        "ecr-public:GetAuthorizationToken",
        *from_spec(SpecResource.PUBLIC_ECR_TOKEN),
        implies=(
            implied_permission(
                "sts:GetServiceBearerToken", *from_spec(SpecResource.PUBLIC_ECR_TOKEN)
            ),
        ),
    )
    def get_public_login(self) -> tuple[str, str]:
        """Return user and password for the public registry."""
        client = self._client_of("ecr-public", PUBLIC_REGION)
        answer = client.get_authorization_token()
        return _decode(answer["authorizationData"]["authorizationToken"])


def _decode(token: str) -> tuple[str, str]:
    user, _, password = base64.b64decode(token).decode().partition(":")
    return user, password
