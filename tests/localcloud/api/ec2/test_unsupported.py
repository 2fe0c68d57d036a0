"""What the local cloud cannot really do is refused."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.fixture import CloudFixture


@pytest.mark.parametrize(
    ("call", "options"),
    [
        (
            "attach_volume",
            {"VolumeId": "vol-1", "InstanceId": "i-1", "Device": "/dev/sdf"},
        ),
        ("detach_volume", {"VolumeId": "vol-1"}),
        ("create_snapshot", {"VolumeId": "vol-1"}),
        ("create_snapshots", {"InstanceSpecification": {"InstanceId": "i-1"}}),
        ("copy_snapshot", {"SourceSnapshotId": "snap-1", "SourceRegion": "us-east-1"}),
        ("register_image", {"Name": "named"}),
    ],
)
def test_it_is_refused_with_what_to_do_instead(
    cloud: CloudFixture, call: str, options: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as error:
        getattr(cloud.client("ec2"), call)(**options)
    told = error.value.response["Error"]
    assert told["Code"] == "UnsupportedOperation"
    assert told["Message"].startswith("the local cloud does not have ")
