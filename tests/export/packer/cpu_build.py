"""The original system's image, and what Packer's folder for it holds."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from amikiln.export.packer import template
from amikiln.spec.load import ImageFolder, load_image
from amikiln.spec.spec import Spec

ROOT = Path(__file__).parents[3]
IMAGE = ROOT / "images" / "cpu-build"
FOLDER = ROOT / "packer" / "cpu"
TEMPLATE = "buildkite-cpu-ami.pkr.hcl"

needs_packer = pytest.mark.skipif(
    shutil.which("packer") is None, reason="not run: there is no Packer here"
)


def render_folder(
    *, classic: bool = False, here: Path = FOLDER, directory: Path = IMAGE
) -> dict[str, bytes]:
    """Return the files of Packer's folder ``here``, for the image as if it were in a directory."""
    image = dataclasses.replace(load_image(IMAGE), directory=directory)
    return template.render_folder(image, here, classic=classic)


def without_files(wanted: Spec, directory: Path = IMAGE) -> ImageFolder:
    """Return an image without files of its own."""
    return ImageFolder(directory, wanted, {}, {})
