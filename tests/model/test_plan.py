"""What a plan pins."""

from __future__ import annotations

import pytest

from amikiln.model.plan import PinnedImage


@pytest.mark.parametrize(
    ("reference", "wanted"),
    [
        ("debian:13", "debian@sha256:00"),
        ("host:5000/a/b:latest", "host:5000/a/b@sha256:00"),
    ],
)
def test_an_image_is_named_by_digest_without_its_tag(reference: str, wanted: str) -> None:
    assert PinnedImage(reference, "sha256:00").by_digest == wanted
