"""Fixtures for tests of the recipe's steps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recipe.root_folder import SYSTEMD_RUN, RootFolder


@pytest.fixture
def root(tmp_path: Path) -> RootFolder:
    """Return the root folder of a virtual machine, with a fake systemctl and a fake sync."""
    if os.geteuid() != 0:
        pytest.skip("not run: a throwaway root folder is mounted by root")
    folder = RootFolder(tmp_path)
    for program in ("systemctl", "sync"):
        folder.fake_program(program)
    folder.fake_program("systemd-run", SYSTEMD_RUN)
    folder.fake_machine("amazon")
    return folder
