"""What Systems Manager accepts as a parameter's name.

https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-parameter-name-constraints.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MOST_LEVELS = 15
LONGEST_NAME = 1011
"""Characters, of the parameter's whole ARN."""
RESERVED = ("aws", "ssm")
CHARACTERS = re.compile(r"[A-Za-z0-9_.\-/]+")


def find_name_faults(name: str, region: str, account: str) -> Iterator[str]:
    """Yield why no parameter can be written under a name.

    Args:
        name: The whole name, as ``/buildkite/cpu-build-ami/us-east-1``.
        region: Where; it counts in the ARN.
        account: Whose; likewise.
    """
    levels = name.strip("/").split("/")
    if not CHARACTERS.fullmatch(name) or not all(levels):
        yield f"{name} is no name of an SSM parameter: letters, digits and _.-, parted by /"
    if levels[0].lower().startswith(RESERVED):
        yield (
            f"{name}: AWS keeps names that begin with {' or '.join(RESERVED)} to itself,"
            " in upper and in lower case: choose another first segment"
        )
    if len(levels) > MOST_LEVELS:
        yield f"{name} has {len(levels)} levels, and SSM allows {MOST_LEVELS}"
    arn = f"arn:aws:ssm:{region}:{account}:parameter/{name.lstrip('/')}"
    if len(arn) > LONGEST_NAME:
        yield f"{name} is too long: its ARN has {len(arn)} characters, SSM allows {LONGEST_NAME}"
