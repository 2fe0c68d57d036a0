"""Parts of requests and answers that several kinds of resources share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MOST_FILTER_VALUES = 200
"""How many values EC2 accepts in one request, over all its filters.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html
"""


def block_device(device: str, ebs: Mapping[str, Any]) -> Any:
    """Return a block device mapping for a volume that is deleted with its instance."""
    return {"DeviceName": device, "Ebs": {**ebs, "DeleteOnTermination": True}}


def tag_specifications(kinds: Sequence[str], tags: Mapping[str, str]) -> list[Any]:
    """Return the argument that tags resources in the call that creates them."""
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    return [{"ResourceType": kind, "Tags": listed} for kind in kinds]


def tag_filters(tags: Mapping[str, str]) -> list[Any]:
    """Return the filters for what has all of these tags."""
    return [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]


def tag_map(tags: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return AWS's list of tags as a mapping."""
    return {str(tag["Key"]): str(tag["Value"]) for tag in tags}


def batches(values: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    """Yield the values in as few parts as possible, none of them longer than ``most``."""
    for start in range(0, len(values), most):
        yield values[start : start + most]
