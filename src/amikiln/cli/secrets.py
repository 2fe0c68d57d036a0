"""The warm build's secrets, from a file descriptor: never in argv, nor in the environment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from amikiln.errors import SpecError

LARGEST_BYTES = 1024**2


def read_secrets(descriptor: int) -> Mapping[str, str]:
    """Read a JSON object of names and values to its end.

    Args:
        descriptor: An open file descriptor, as 0 for stdin or 3 for ``3<FILE``.

    Raises:
        SpecError: It is not open, or holds something else; its content is never shown.
    """
    hint = 'write {"NAME": "VALUE"} to it, as in: --secrets-fd 3 3<secrets.json'
    try:
        with os.fdopen(os.dup(descriptor), "rb") as source:
            text = source.read(LARGEST_BYTES)
    except OSError as error:
        raise SpecError(f"--secrets-fd {descriptor}: {error.strerror}", hint=hint) from error
    try:
        found = json.loads(text)
    except ValueError:
        # Its message would show a part of the text.
        found = None
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise SpecError(
            f"--secrets-fd {descriptor}: not a JSON object of names and strings", hint=hint
        )
    return found
