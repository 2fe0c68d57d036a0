"""The local cloud's stand-in for the image of Buildkite's Elastic CI Stack: its name and template.

It is listed from the start, and built when a machine is first launched from it.
"""

from __future__ import annotations

import hashlib

from amikiln_localcloud.home import REGION
from amikiln_localcloud.machines.base_image import Variant, compute_base_key

VERSION = "v6.71.1"
"""The release that it stands for (https://github.com/buildkite/elastic-ci-stack-for-aws)."""

OWNER = "172840064832"
"""Buildkite's account, as of the images in the published templates."""

IMAGE_NAME = "buildkite-stack-linux-amazonlinux2023-x86_64-stand-in"

TEMPLATE = """\
AWSTemplateFormatVersion: "2010-09-09"
Description: "Buildkite stack {version}"

# Of a published template, only what names the images; here, the local cloud's stand-in for them.
Mappings:
  AWSRegion2AMI:
    {region} : {{ linuxamd64: {image_id}, linuxarm64: '', windows: '', ubuntu2404amd64: '', \
ubuntu2404arm64: '' }}

Resources:
  Placeholder:
    Type: AWS::SSM::Parameter
    Properties:
      Type: String
      Value: none
"""


def compute_ids(name: str, key: str) -> tuple[str, str]:
    """Return the ids of a base image and its snapshot: the same content has the same ids.

    Args:
        name: Its AMI name.
        key: The hash of its content.
    """
    digest = hashlib.sha256(f"{name} {key}".encode()).hexdigest()[:17]
    return f"ami-{digest}", f"snap-{digest}"


def render_template(version: str = VERSION) -> str:
    """Return a stack's template that maps the local cloud's region to the stand-in.

    For ``source.stack_template``, as a file beside image.toml.

    Args:
        version: The release that the template says it is of.
    """
    image_id, _ = compute_ids(IMAGE_NAME, compute_base_key(Variant.ELASTIC_STACK))
    return TEMPLATE.format(version=version, region=REGION, image_id=image_id)
