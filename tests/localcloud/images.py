"""Images of the local cloud: made of a machine, and looked at."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.fixture import CloudFixture


def create_image(cloud: CloudFixture, instance_id: str, name: str = "built", **options: Any) -> str:
    answer = cloud.client("ec2").create_image(InstanceId=instance_id, Name=name, **options)
    image_id: str = answer["ImageId"]
    return image_id


def build_image(cloud: CloudFixture, name: str = "built", **options: Any) -> str:
    """Return an available image."""
    image_id = create_image(cloud, cloud.run_to("running"), name, **options)
    cloud.until_image(image_id, "available")
    return image_id


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    code: str = error.value.response["Error"]["Code"]
    return code


def snapshot_of(image: dict[str, Any]) -> str:
    snapshot: str = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    return snapshot
