"""What the tests of scripts/ share."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.fresh_machine import Machine, make_machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A fresh machine with sudo where everything can be had."""
    return make_machine(tmp_path)
