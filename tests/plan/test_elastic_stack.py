"""The source image out of an Elastic CI Stack's template: a file or a URL, and what is wrong."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from amikiln.errors import PreflightError
from amikiln.plan import elastic_stack
from amikiln.spec.machine import STACK_TEMPLATE, Source

# In the form of a published one, shortened; before v6.70.0 there was no Ubuntu in it.
TEMPLATE = """---
AWSTemplateFormatVersion: "2010-09-09"
Description: "Buildkite stack v6.71.1"
Conditions:
  UseWindowsAgents: !Equals [ !Ref InstanceOperatingSystem, "windows" ]
Mappings:
  ECRManagedPolicy:
    none: { Policy: '' }
  AWSRegion2AMI:
    us-east-1 :
      { linuxamd64: ami-00000000000000001, linuxarm64: ami-00000000000000002,
      windows: ami-00000000000000009, ubuntu2404amd64: ami-00000000000000004,
      ubuntu2404arm64: ami-00000000000000005 }
    us-west-2 : { linuxamd64: ami-00000000000000003, linuxarm64: '', windows: '' }
Resources:
  AgentLaunchTemplate:
    Type: AWS::EC2::LaunchTemplate
    Properties:
      LaunchTemplateData:
        ImageId: !FindInMap [ AWSRegion2AMI, !Ref 'AWS::Region', linuxamd64 ]
        UserData: !Base64
          Fn::Sub: "${AWS::StackName}"
"""


def source(**values: Any) -> Source:
    return Source(**{"stack_version": "v6.71.1", "stack_template": "aws-stack.yml", **values})


def find(tmp_path: Path, text: str, region: str = "us-east-1", **values: Any) -> str:
    (tmp_path / "aws-stack.yml").write_text(text)
    return elastic_stack.find_image_id(source(**values), region, tmp_path)


@pytest.mark.parametrize(
    ("region", "architecture", "image_id"),
    [
        ("us-east-1", "x86_64", "ami-00000000000000001"),
        ("us-east-1", "arm64", "ami-00000000000000002"),
        ("us-west-2", "x86_64", "ami-00000000000000003"),
    ],
)
def test_the_mapping_names_the_image(
    region: str, architecture: str, image_id: str, tmp_path: Path
) -> None:
    assert find(tmp_path, TEMPLATE, region, architecture=architecture) == image_id


@pytest.mark.parametrize(
    ("text", "region", "architecture", "why"),
    [
        (TEMPLATE, "eu-west-1", "x86_64", "no image for eu-west-1; it has some for us-east-1, us-"),
        (TEMPLATE, "us-west-2", "arm64", "no linuxarm64 image in us-west-2; it has linuxamd64"),
        (TEMPLATE.replace("v6.71.1", "v6.70.0"), "us-east-1", "x86_64", "Elastic CI Stack v6.70.0"),
        (TEMPLATE.replace("v6.71.1", "v6.71.1-rc1"), "us-east-1", "x86_64", "Stack v6.71.1-rc1"),
        ("a: [", "us-east-1", "x86_64", "is no YAML"),
        ("- a list", "us-east-1", "x86_64", "Elastic CI Stack unknown"),
        ("Description: Buildkite stack v6.71.1", "us-east-1", "x86_64", "no image for us-east-1"),
    ],
)
def test_what_is_wrong_is_named(
    text: str, region: str, architecture: str, why: str, tmp_path: Path
) -> None:
    with pytest.raises(PreflightError) as error:
        find(tmp_path, text, region, architecture=architecture)
    assert why in error.value.what
    assert "aws-stack.yml" in error.value.what
    assert error.value.hint


@pytest.mark.parametrize(
    ("distribution", "architecture", "image_id"),
    [
        ("amazonlinux", "x86_64", "ami-00000000000000001"),
        ("amazonlinux2023", "arm64", "ami-00000000000000002"),
        ("ubuntu2404", "x86_64", "ami-00000000000000004"),
        ("ubuntu2404", "arm64", "ami-00000000000000005"),
    ],
)
def test_a_distributions_image_is_chosen(
    distribution: str, architecture: str, image_id: str, tmp_path: Path
) -> None:
    wanted = {"stack_distribution": distribution, "architecture": architecture, "user": "ubuntu"}
    assert find(tmp_path, TEMPLATE, **wanted) == image_id


@pytest.mark.parametrize(
    ("region", "offers"), [("us-west-2", "linuxamd64"), ("eu-north-1", "none")]
)
def test_a_distribution_that_is_not_offered_is_named_with_those_that_are(
    region: str, offers: str, tmp_path: Path
) -> None:
    text = TEMPLATE.replace("Resources:", "    eu-north-1: { linuxamd64: '' }\nResources:")
    with pytest.raises(PreflightError) as error:
        find(tmp_path, text, region, stack_distribution="ubuntu2404", user="ubuntu")
    said = f"no ubuntu2404amd64 image in {region}; it has {offers}"
    assert error.value.what.endswith(said)


@pytest.mark.parametrize("version", ["v6.0.0-beta1", "v2.0.0-rc7", "v6.40.10", "v7.0.0-rc.1-x"])
def test_a_pre_release_has_its_template(version: str, tmp_path: Path) -> None:
    text = TEMPLATE.replace("v6.71.1", version)
    assert find(tmp_path, text, stack_version=version) == "ami-00000000000000001"


def test_a_release_is_not_its_pre_release(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match=r"Stack v6\.71\.1, and source.stack_version is .*rc1"):
        find(tmp_path, TEMPLATE, stack_version="v6.71.1-rc1")


def test_ubuntus_image_has_its_own_user() -> None:
    with pytest.raises(ValidationError, match='no ec2-user: set user = "ubuntu"'):
        source(stack_distribution="ubuntu2404")


@pytest.mark.parametrize("version", ["latest", "main", "v6", "v6.71", "v6.71.1-", "v6.71.1/../x"])
def test_what_could_be_another_template_tomorrow_is_no_version(version: str) -> None:
    with pytest.raises(ValidationError):
        source(stack_version=version)


def test_a_template_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match=r"aws-stack\.yml: No such file"):
        elastic_stack.find_image_id(source(), "us-east-1", tmp_path)


def test_the_published_template_of_the_version_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def open_url(url: str, timeout: float) -> io.BytesIO:
        asked.append(url)
        return io.BytesIO(TEMPLATE.encode())

    monkeypatch.setattr(elastic_stack, "urlopen", open_url)
    wanted = source(stack_template=STACK_TEMPLATE)
    assert elastic_stack.find_image_id(wanted, "us-east-1", tmp_path) == "ami-00000000000000001"
    assert asked == ["https://s3.amazonaws.com/buildkite-aws-stack/v6.71.1/aws-stack.yml"]


def test_a_url_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(url: str, timeout: float) -> io.BytesIO:
        raise OSError("no route to host")

    monkeypatch.setattr(elastic_stack, "urlopen", refuse)
    with pytest.raises(PreflightError, match=r"cannot fetch .*v6\.71\.1.*: no route to host"):
        elastic_stack.find_image_id(source(stack_template=STACK_TEMPLATE), "us-east-1", tmp_path)


def test_a_tag_that_would_run_code_is_only_a_tag(tmp_path: Path) -> None:
    hostile = TEMPLATE + '\nX: !!python/object/apply:os.system ["touch /tmp/never"]\n'
    with pytest.raises(PreflightError, match="is no YAML"):
        find(tmp_path, hostile)
