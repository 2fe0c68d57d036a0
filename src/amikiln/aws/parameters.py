"""SSM parameters: the pointer with its history, and the lease."""

from __future__ import annotations

from collections.abc import Mapping
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

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


@dataclass(frozen=True)
class Parameter:
    """One version of a parameter."""

    name: str
    value: str
    version: int
    modified: datetime
    data_type: str
    """text, or aws:ec2:image."""


@dataclass(frozen=True)
class Listing:
    """Parameters, and the time on AWS's clock when it listed them."""

    parameters: tuple[Parameter, ...]
    now: datetime


class Parameters:
    """Reads and writes parameters."""

    def __init__(self, client: SSMClient) -> None:
        self._client = client

    @needs("ssm:GetParameter", *from_spec(SpecResource.POINTER, SpecResource.SETTINGS))
    def get(self, name: str) -> Parameter | None:
        """Return the parameter's newest version, or None if there is no such parameter."""
        try:
            return _parameter(self._client.get_parameter(Name=name)["Parameter"])
        except ClientError as error:
            if error_code(error) == "ParameterNotFound":
                return None
            raise

    @needs("ssm:GetParameterHistory", *from_spec(SpecResource.POINTER))
    def read_history(self, name: str) -> list[str]:
        """Return the values of all versions that SSM has (at most 100)."""
        pages = self._client.get_paginator("get_parameter_history").paginate(Name=name)
        try:
            return [entry["Value"] for page in pages for entry in page["Parameters"]]
        except ClientError as error:
            if error_code(error) == "ParameterNotFound":
                return []
            raise

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
        return self._client.put_parameter(
            Name=name, Value=value, Type="String", DataType=data_type, Overwrite=True
        )["Version"]

    @needs("ssm:PutParameter", *from_spec(SpecResource.LEASE_TERMS))
    def create(self, name: str, value: str) -> bool:
        """Create a parameter; return False if it exists. Atomic: only one caller succeeds.

        https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
        """
        try:
            self._client.put_parameter(Name=name, Value=value, Type="String", Overwrite=False)
        except ClientError as error:
            if error_code(error) == "ParameterAlreadyExists":
                return False
            raise
        return True

    @needs("ssm:GetParametersByPath", *from_spec(SpecResource.LEASE))
    def list_below(self, path: str) -> Listing:
        """Return the parameters directly below a path, and the time of AWS's answer."""
        pages = self._client.get_paginator("get_parameters_by_path").paginate(Path=path)
        found: list[Parameter] = []
        now = None
        for page in pages:
            found += [_parameter(raw) for raw in page["Parameters"]]
            now = parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"])
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
        raw["Name"], raw["Value"], raw["Version"], raw["LastModifiedDate"], raw["DataType"]
    )
