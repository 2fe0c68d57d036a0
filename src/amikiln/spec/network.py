"""The spec's tables about what surrounds a machine: how it is reached, and the tags on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from amikiln.spec.types import SpecTable

MOST_TAGS = 35
"""AWS allows 50 tags on a resource, and amikiln sets up to ten of its own.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html
"""
TAG_KEY = re.compile(r"[\w .:/=+@-]{1,128}")
TAG_VALUE = re.compile(r"[\w .:/=+@-]{0,256}")
ALLOWED_IN_TAGS = "letters, digits, spaces and . : / = + @ _ -"


class NetworkSettings(SpecTable):
    """How machines of bake and verify are reached.

    https://docs.aws.amazon.com/vpc/latest/userguide/vpc-ip-addressing.html
    """

    public_address: Literal["yes", "no", "subnet"] = "subnet"
    """Whether the machines get a public address; ``subnet``: as the subnet gives it."""
    connect: Literal["auto", "public", "private", "session-manager"] = "auto"
    """By which address ssh reaches them. ``auto``: the public one if they get one, else the private
    one. ``session-manager``: through AWS Systems Manager, which needs no address and no open port,
    but the AWS CLI and its plugin here."""


def check_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    """Refuse what AWS refuses, and what would change the meaning of amikiln's own tags.

    Raises:
        ValueError: The first fault, with its key.
    """
    if len(tags) > MOST_TAGS:
        raise ValueError(f"has {len(tags)} tags; {MOST_TAGS} at most")
    for key, value in tags.items():
        prefix = key.casefold().partition(":")[0]
        if ":" in key and prefix in {"aws", "amikiln"}:
            raise ValueError(f"{key!r}: keys that begin with {prefix}: are reserved")
        if key == "Name":
            raise ValueError("'Name' is amikiln's: what a run makes is called after the run")
        if not TAG_KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no tag key: 1 to 128 of {ALLOWED_IN_TAGS}")
        if not TAG_VALUE.fullmatch(value):
            raise ValueError(f"{key}: {value!r} is no tag value: 256 at most of {ALLOWED_IN_TAGS}")
    return tags


Tags = Annotated[
    Mapping[str, str],
    AfterValidator(check_tags),
    Field(description=f"keys and values of {ALLOWED_IN_TAGS}"),
]
