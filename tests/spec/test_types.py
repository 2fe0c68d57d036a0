"""The grammars that others made: container images' references, and AWS's regions."""

from __future__ import annotations

import json
from importlib import resources

import pytest
from pydantic import TypeAdapter, ValidationError

from amikiln.spec.spec import Spec
from amikiln.spec.types import ImageReference
from fakes import spec_values

REFERENCE: TypeAdapter[str] = TypeAdapter(ImageReference)
DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    "reference",
    [
        "debian:13",
        "host:5000/a/b:latest",
        "public.ecr.aws/q9t5s3a7/x_y__z-w.v:1.2_3",
        "a/b:v1",
        "my_org/tool:1",
        "my__org/a---b/c.d:1",
        "localhost/tool:1",
        "localhost:5000/tool:1",
        "HOST.example/tool:1",
        "REGISTRY:5000/tool:1",
        "[::1]:5000/tool:1",
        "0a/b0:_tag",
        "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/app:v1.2-rc_3",
        "x:" + "t" * 128,
    ],
)
def test_a_reference_of_the_distributions_grammar_is_good(reference: str) -> None:
    assert REFERENCE.validate_python(reference) == reference


@pytest.mark.parametrize(
    "reference",
    [
        "debian",
        "Debian:13",
        "UPPER/x:1",
        "host.example/UPPER:1",
        "a/Upper/b:1",
        "a..b:1",
        "a_-b:1",
        "a___b:1",
        "_a:1",
        "a_:1",
        "-a/b:1",
        "a-/b:1",
        "/a:1",
        "a//b:1",
        "a/:1",
        "ho_st.example:5000/a:1",
        "-host.example/a:1",
        "host-.example/a:1",
        "host:port/a:1",
        "host.example:/a:1",
        "a:.tag",
        "a:-tag",
        "a:",
        "a:1:2",
        "x:" + "t" * 129,
        f"debian@{DIGEST}",
        f"debian:13@{DIGEST}",
        "https://host.example/a:1",
        "a b:1",
        "a:1\n",
    ],
)
def test_anything_else_is_refused(reference: str) -> None:
    with pytest.raises(ValidationError):
        REFERENCE.validate_python(reference)


def list_aws_regions() -> list[str]:
    """Return every region that AWS's own client knows, in all partitions."""
    text = (resources.files("botocore") / "data" / "partitions.json").read_text()
    found = [region for part in json.loads(text)["partitions"] for region in part["regions"]]
    return [region for region in found if not region.endswith("-global")]


def test_every_region_of_aws_is_good() -> None:
    regions = list_aws_regions()
    assert {"us-east-1", "us-gov-west-1", "cn-north-1", "us-isob-east-1"} <= {*regions}
    faults = [
        region for region in [*regions, "eusc-de-east-1", "ap-southeast-12"] if not fits(region)
    ]
    assert faults == []


@pytest.mark.parametrize(
    "text", ["us-east-1a", "us-east", "US-EAST-1", "us_east_1", "aws-global", ""]
)
def test_what_is_no_region_is_refused(text: str) -> None:
    assert not fits(text)


def fits(region: str) -> bool:
    try:
        Spec.model_validate(spec_values(region=region))
    except ValidationError:
        return False
    return True
