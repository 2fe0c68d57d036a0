"""The door for Packer: a template, and beside it the recipe's files, the same that `bake` runs.

What the spec decides is written once and checked in (`amikiln export packer`). What a plan has to
resolve (digests, a commit) is written by each build (`amikiln export packer-inputs`), for the
template asks for it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from amikiln.errors import SpecError
from amikiln.recipe import render
from amikiln.recipe.warm_build import CONTEXT_DIRECTORY
from amikiln.spec.own_files import OwnFiles
from amikiln.spec.spec import Spec

TEMPLATE = "buildkite-{name}-ami.pkr.hcl"
PULL_SCRIPT = "scripts/pull-base-images.sh"
RECIPE = "recipe"
ROOT_DEVICE = "/dev/xvda"
"""Amazon Linux's and Debian's. A build compares: Packer would add a second volume."""
INPUTS = "inputs"
"""The folder of what each build resolves; not checked in."""


def files(
    spec: Spec,
    own: OwnFiles,
    here: Path,
    *,
    root_device: str = ROOT_DEVICE,
    classic: bool = False,
) -> dict[str, bytes]:
    """Return the files of Packer's folder that a spec decides, by their paths in it.

    Args:
        spec: The image.
        own: What lies beside the spec.
        here: Where the folder is to be.
        root_device: The source image's, as the template's default.
        classic: For Packer 1.6.6, the last that is free software and that Debian has: without
            plugins to install, and without what its amazon-ebs builder does not know.

    Raises:
        SpecError: Packer cannot build this image.
    """
    if spec.warm is not None and spec.warm.secrets:
        raise SpecError(
            "warm.secrets: Packer has no way to hand secrets on that shows them to nobody",
            hint="bake this image with `amikiln bake --secrets-fd`",
        )
    found = recipe_files(spec, own.steps)
    checkout = _checkout_of(own.directory)
    name = TEMPLATE.format(name=spec.name.removesuffix("-build"))
    values = {
        "spec": spec,
        "classic": classic,
        "source": next((key for key in ("id", "name") if getattr(spec.source, key)), "other"),
        "file_name": name,
        "image_directory": os.path.relpath(own.directory, checkout),
        "checkout": os.path.relpath(checkout, here),
        "image_from_here": os.path.relpath(own.directory, here),
        "sudo": "" if spec.source.user == "root" else "sudo -n ",
        "root_device": root_device,
        "inputs": INPUTS,
        "recipe_directory": render.REMOTE_DIRECTORY,
        "context_directory": CONTEXT_DIRECTORY,
    }
    found[name] = _rendered("template.pkr.hcl.j2", values)
    found[PULL_SCRIPT] = _rendered("pull-base-images.sh.j2", values)
    return found


def recipe_files(spec: Spec, own_steps: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the recipe's files of Packer's folder, by their paths in it."""
    files = render.render_spec_files(spec, own_steps)
    return {f"{RECIPE}/{path}": content for path, content in files.items()}


def in_hcl(value: str) -> str:
    """Return a string as HCL writes it (https://developer.hashicorp.com/terraform/language)."""
    return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _checkout_of(image: Path) -> Path:
    """Return the checkout that an image's folder is in, by its set-up script."""
    for folder in image.absolute().parents:
        if (folder / "scripts" / "lib" / "setup.sh").is_file():
            return folder
    raise SpecError(
        f"{image} is in no checkout of amikiln: Packer's template has to find its commands there",
        hint="keep the image below images/ in a checkout",
    )


def _rendered(name: str, values: Mapping[str, Any]) -> bytes:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("amikiln.export.packer", ""),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  (no HTML: what is quoted is quoted by `hcl`)
    )
    environment.filters["hcl"] = in_hcl
    return environment.get_template(name).render(values).encode()
