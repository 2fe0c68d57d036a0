"""The reason to publish an image without proof."""

from __future__ import annotations

import pytest

from amikiln.model.image import ForceReason


@pytest.mark.parametrize("reason", ["x", "x" * 255, "  Ünïcode: the old one has a hole  "])
def test_a_reason_is_one_line_without_spaces_around_it(reason: str) -> None:
    assert ForceReason("ami-1", reason).reason == reason.strip()


@pytest.mark.parametrize(
    "reason", ["", "   ", "\n", "x" * 256, "two\nlines", "a\ttab", "red \x1b[31m", "a\u202eb"]
)
def test_what_is_no_reason_is_refused(reason: str) -> None:
    with pytest.raises(ValueError, match="1 to 255 printable characters"):
        ForceReason("ami-1", reason)
