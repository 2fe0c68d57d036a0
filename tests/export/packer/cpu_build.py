"""The original system's image, and what Packer's folder for it holds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from amikiln.export.packer import template
from amikiln.spec import load, own_files
from amikiln.spec.own_files import OwnFiles

ROOT = Path(__file__).parents[3]
IMAGE = ROOT / "images" / "cpu-build"
FOLDER = ROOT / "packer" / "cpu"
TEMPLATE = "buildkite-cpu-ami.pkr.hcl"
NO_FILES = OwnFiles(IMAGE, {}, {})

needs_packer = pytest.mark.skipif(
    shutil.which("packer") is None, reason="not run: there is no Packer here"
)


def render_folder(
    *, classic: bool = False, here: Path = FOLDER, own: OwnFiles | None = None
) -> dict[str, bytes]:
    """Return the files of Packer's folder, for a folder ``here``."""
    spec, own = load.load(IMAGE, local=False), own or own_files.read(IMAGE)
    return template.render_folder(spec, own, here, classic=classic)
