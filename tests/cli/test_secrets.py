"""The warm build's secrets: read from a descriptor, and shown to nobody."""

from __future__ import annotations

import os

import pytest

from amikiln.cli import secrets
from amikiln.errors import SpecError


def pipe_with(text: str) -> int:
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    return reading


def test_names_and_values_are_read_and_the_descriptor_stays_open() -> None:
    descriptor = pipe_with('{"token": "s3cret", "key": "a\\nb"}')
    assert secrets.read_secrets(descriptor) == {"token": "s3cret", "key": "a\nb"}
    os.close(descriptor)


@pytest.mark.parametrize("text", ["s3cret", '["s3cret"]', '{"token": 5, "other": "s3cret"}', ""])
def test_what_is_no_object_of_strings_is_refused_and_not_shown(text: str) -> None:
    descriptor = pipe_with(text)
    with pytest.raises(SpecError, match="not a JSON object") as caught:
        secrets.read_secrets(descriptor)
    os.close(descriptor)
    assert "s3cret" not in f"{caught.value.what} {caught.value.hint}"


def test_a_descriptor_that_is_not_open_is_named() -> None:
    with pytest.raises(SpecError, match="--secrets-fd 987: Bad file descriptor"):
        secrets.read_secrets(987)
