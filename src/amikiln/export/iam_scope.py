"""What a policy applies to: an image's resources, by their ARNs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3

from amikiln.catalog.tags import tags_for_spec
from amikiln.export import ANY_ACCOUNT
from amikiln.spec.spec import Spec

Condition = dict[str, dict[str, Any]]

PUBLIC_PARAMETERS = "/aws/service/"
WITHOUT_ACCOUNT = {"image", "snapshot"}
"""EC2 resources whose ARN names no account."""


@dataclass(frozen=True)
class Scope:
    """What a policy applies to.

    Attributes:
        spec: The image that the pipeline makes.
        account: The account's 12 digits, or ``*``.
        kms_key: The ARN of a customer managed key that encrypts volumes and snapshots, if any.
    """

    spec: Spec
    account: str = ANY_ACCOUNT
    kms_key: str | None = None

    def ec2_arn(self, kind: str, name: str = "*") -> str:
        return self._arn("ec2", f"{kind}/{name}", in_account=kind not in WITHOUT_ACCOUNT)

    def parameter_arn(self, path: str) -> str:
        # AWS's public parameters belong to no account:
        # .../systems-manager/latest/userguide/parameter-store-public-parameters.html
        public = path.startswith(PUBLIC_PARAMETERS)
        return self._arn("ssm", f"parameter{path}", in_account=not public)

    def iam_arn(self, kind: str, name: str) -> str:
        # IAM has no regions.
        return f"arn:{_find_partition(self.spec.region)}:iam::{self.account}:{kind}/{name}"

    def repository_arn(self, region: str, account: str) -> str:
        return f"arn:{_find_partition(region)}:ecr:{region}:{account}:repository/*"

    def document_arn(self, name: str) -> str:
        return self._arn("ssm", f"document/{name}", in_account=False)

    def own_session_arn(self) -> str:
        # IAM fills in the caller's id, which session ids begin with.
        return self._arn("ssm", "session/${aws:userid}-*", in_account=True)

    def require_tag(self, which: str) -> Condition:
        """Return the condition that a ``Request`` or a ``Resource`` has the image's tag."""
        tags = tags_for_spec(self.spec.name)
        return {"StringEquals": {f"aws:{which}Tag/{key}": tags[key] for key in tags}}

    def _arn(self, service: str, resource: str, *, in_account: bool) -> str:
        region = self.spec.region
        account = self.account if in_account else ""
        return f"arn:{_find_partition(region)}:{service}:{region}:{account}:{resource}"


@cache
def _find_partition(region: str) -> str:
    # Cached: boto3 reads its whole list of endpoints each time.
    return boto3.Session().get_partition_for_region(region)
