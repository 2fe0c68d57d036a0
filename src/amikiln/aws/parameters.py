"""SSM parameters: the pointer with its history, and the lease."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from amikiln.aws.errors import error_code
from amikiln.aws.permissions import (
    NO_RESOURCE_LEVEL,
    SpecResource,
    from_spec,
    implied_permission,
    needs,
)
from amikiln.aws.recent import Recent

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

NO_TAGS: Mapping[str, str] = {}
TAG_PARAMETER = "ssm:AddTagsToResource"
"""What AWS requires besides for a new parameter with tags."""


@dataclass(frozen=True)
class Parameter:
    """One version of a parameter."""

    name: str
    value: str
    version: int
    modified: datetime
    data_type: str
    """text, or aws:ec2:image."""
    type: str = "String"
    """String, StringList or SecureString."""
    labels: tuple[str, ...] = ()
    """A labelled version is never dropped, so that no 101st one can be written."""
    allowed_pattern: str = ""
    """A regular expression that every value has to match; empty: none."""


@dataclass(frozen=True)
class Listing:
    """Parameters, and the time on AWS's clock when it answered."""

    parameters: tuple[Parameter, ...]
    now: datetime


class Parameters:
    """Reads and writes parameters."""

    def __init__(self, client: SSMClient, recent: Recent) -> None:
        self._client = client
        self._recent = recent

    @needs("ssm:GetParameter", *from_spec(SpecResource.POINTER, SpecResource.SETTINGS))
    def get(self, name: str) -> Parameter | None:
        """Return the parameter's newest version, or None if there is no such parameter."""
        try:
            return _parameter(self._client.get_parameter(Name=name)["Parameter"])
        except ClientError as error:
            if error_code(error) == "ParameterNotFound":
                return None
            raise

    @needs("ssm:GetParameters", *from_spec(SpecResource.LEASE_TERMS))
    def get_all(self, names: Sequence[str]) -> Listing:
        """Return those of the parameters that there are, and the time of AWS's answer.

        Unlike a list, this does not lag behind what was written: it reads each by its name.

        Args:
            names: Ten at most
                (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html).
        """
        answer = self._recent.call(lambda: self._client.get_parameters(Names=list(names)))
        found = tuple(_parameter(raw) for raw in answer["Parameters"])
        return Listing(found, _read_time(answer))

    @needs("ssm:GetParameterHistory", *from_spec(SpecResource.POINTER))
    def read_history(self, name: str) -> list[Parameter]:
        """Return all versions that SSM has, the oldest first (at most 100)."""
        pages = self._client.get_paginator("get_parameter_history").paginate(Name=name)
        try:
            found = [_parameter(raw) for page in pages for raw in page["Parameters"]]
        except ClientError as error:
            if error_code(error) == "ParameterNotFound":
                return []
            raise
        return sorted(found, key=lambda version: version.version)

    # AWS looks the image of an aws:ec2:image up with the caller's permissions.
    @needs(
        "ssm:PutParameter",
        *from_spec(SpecResource.POINTER, SpecResource.LEASE_TERMS),
        implies=(implied_permission("ec2:DescribeImages", NO_RESOURCE_LEVEL),),
    )
    def put(self, name: str, value: str, *, data_type: str = "text") -> int:
        """Write a new version and return its number.

        With ``aws:ec2:image`` AWS checks the value only after the answer: read it back
        (https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-ec2-aliases.html).
        """
        return self._recent.call(
            lambda: self._client.put_parameter(
                Name=name, Value=value, Type="String", DataType=data_type, Overwrite=True
            )["Version"],
            name,
        )

    @needs(
        "ssm:PutParameter",
        *from_spec(SpecResource.POINTER, SpecResource.LEASE_TERMS),
        implies=(
            implied_permission(
                TAG_PARAMETER, *from_spec(SpecResource.POINTER, SpecResource.LEASE_TERMS)
            ),
        ),
    )
    def create(
        self, name: str, value: str, tags: Mapping[str, str] = NO_TAGS, *, data_type: str = "text"
    ) -> bool:
        """Create a parameter; return False if it exists. Atomic: only one caller succeeds.

        It may be the caller's own that exists, where the answer to an earlier try was lost. Tags
        are only for a new parameter: AWS refuses them in a call that may overwrite one.

        https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
        """
        listed: Any = {"Tags": [{"Key": key, "Value": tags[key]} for key in tags]} if tags else {}

        def create() -> None:
            self._client.put_parameter(
                Name=name,
                Value=value,
                Type="String",
                DataType=data_type,
                Overwrite=False,
                **listed,
            )

        try:
            self._recent.call(create)
        except ClientError as error:
            if error_code(error) == "ParameterAlreadyExists":
                return False
            raise
        return True

    @needs("ssm:GetParametersByPath", *from_spec(SpecResource.LEASE))
    def list_below(self, path: str) -> Listing:
        """Return the parameters directly below a path, and the time of AWS's answer.

        A list may lag behind what was written, and may have gaps: it is a hint.
        """
        pages = self._client.get_paginator("get_parameters_by_path").paginate(Path=path)
        found: list[Parameter] = []
        now = None
        for page in pages:
            found += [_parameter(raw) for raw in page["Parameters"]]
            now = _read_time(page)
        assert now is not None  # noqa: S101  (a paginator yields one page at least)
        return Listing(tuple(found), now)

    @needs("ssm:DeleteParameter", *from_spec(SpecResource.LEASE_TERMS))
    def delete(self, name: str) -> None:
        """Delete a parameter; nothing happens if it is gone already."""
        try:
            self._client.delete_parameter(Name=name)
        except ClientError as error:
            if error_code(error) != "ParameterNotFound":
                raise


def _parameter(raw: Mapping[str, Any]) -> Parameter:
    return Parameter(
        raw["Name"],
        raw["Value"],
        raw["Version"],
        raw["LastModifiedDate"],
        raw.get("DataType") or "text",
        raw["Type"],
        tuple(raw.get("Labels") or ()),
        raw.get("AllowedPattern") or "",
    )


def _read_time(answer: Mapping[str, Any]) -> datetime:
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
