"""A repository for the tests of contexts."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipe_context import Repository


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("AMIKILN_CACHE", str(tmp_path / "cache"))
    return Repository(tmp_path / "repository")
