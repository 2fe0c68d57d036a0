"""Packer's folder: a template, and the recipe that `bake` runs.

What the spec decides is written once and checked in (`amikiln export packer`). What has to be
resolved, such as digests and a commit, is written anew for each build: the template calls
`amikiln export packer-inputs`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2

from amikiln.catalog.tags import tags_for_spec
from amikiln.errors import SpecError
from amikiln.export import ROOT_DEVICE
from amikiln.recipe import render
from amikiln.recipe.paths import CONTEXT_DIRECTORY, RECIPE_DIRECTORY
from amikiln.spec import timing
from amikiln.spec.load import ImageFolder
from amikiln.spec.machine import STACK_OWNER, Source
from amikiln.spec.spec import Spec

TEMPLATE = "buildkite-{name}-ami.pkr.hcl"
PULL_SCRIPT = "scripts/pull-base-images.sh"
RECIPE = "recipe"
"""The folder of the recipe's files that belong to this image only."""
SHARED = "shared"
"""The folder of the recipe's files that all images share, unless the checkout provides them."""
INPUTS = "inputs"
"""The folder of what a build has resolved; not checked in."""


def render_folder(
    image: ImageFolder,
    here: Path,
    *,
    root_device: str = ROOT_DEVICE,
    classic: bool = False,
) -> dict[str, bytes]:
    """Return the files of Packer's folder that a spec decides, by their paths in it.

    In the image's checkout, the template uploads the recipe's shared files from src/; a folder
    anywhere else gets a copy of them.

    Args:
        image: The image.
        here: Where the folder will be.
        root_device: The source image's, as the template's default.
        classic: Write the template for Packer 1.6.6, which is Debian's: without plugins to
            install, and without what its amazon-ebs builder does not know.

    Raises:
        SpecError: Packer cannot build this image.
    """
    spec = image.spec
    if lacking := list(_find_lacking(spec)):
        raise SpecError(
            f"Packer's template has no {', no '.join(lacking)}",
            hint=f"bake this image with `amikiln bake {image.directory}`, which has all of it"
            " (--secrets-fd gives it secrets), and in the pipeline leave BUILDER=bake",
        )
    shared = _locate_shared(image.directory, here)
    files = _render_recipe(spec, image.steps)
    if shared == SHARED:
        files |= _select_shared(spec, shared)
    checkout = _find_checkout(image.directory)
    name = TEMPLATE.format(name=spec.name.removesuffix("-build"))
    tags = {**spec.tags, **tags_for_spec(spec.name)}
    values = {
        "spec": spec,
        "tags": tags,
        "widest": max(len(quote_hcl(key)) for key in (*tags, "Name")),
        "classic": classic,
        "machine_minutes": timing.machine_minutes(
            spec, timing.sum_bake_machine(spec, len(image.steps))
        ),
        **_describe_source(spec.source),
        "file_name": name,
        "image_directory": os.path.relpath(image.directory, checkout or here),
        "checkout": checkout and os.path.relpath(checkout, here),
        "image_from_here": os.path.relpath(image.directory, here),
        "shared": shared,
        "builder": _builder_file(spec),
        "sudo": "" if spec.source.user == "root" else "sudo -n ",
        "root_device": root_device,
        "inputs": INPUTS,
        "recipe_directory": RECIPE_DIRECTORY,
        "context_directory": CONTEXT_DIRECTORY,
    }
    files[name] = _render("template.pkr.hcl.j2", values)
    files[PULL_SCRIPT] = _render("pull-base-images.sh.j2", values)
    return files


def render_uploads(
    spec: Spec, own_steps: Mapping[str, bytes], image: Path, here: Path
) -> dict[str, bytes]:
    """Return the recipe's files that the template uploads, by their paths from Packer's folder.

    Args:
        spec: The image.
        own_steps: The user's steps, by the path that they have in the recipe.
        image: The image's directory.
        here: Where the folder is, or will be.
    """
    shared = _select_shared(spec, _locate_shared(image, here))
    return {**shared, **_render_recipe(spec, own_steps)}


def quote_hcl(value: str) -> str:
    """Return a string as HCL writes it (https://developer.hashicorp.com/terraform/language)."""
    return json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _find_lacking(spec: Spec) -> Iterator[str]:
    """Yield the keys with which Packer would build something else than `amikiln bake`.

    Secrets and logins are among them: Packer hands nothing to a machine that is not in a file or in
    an environment before.
    """
    if spec.warm is not None and spec.warm.secrets:
        yield "warm.secrets"
    if spec.docker.logins:
        yield "docker.logins"
    if spec.instance.market != "on-demand":
        yield "instance.market"
    if spec.network.public_address != "subnet":
        yield "network.public_address"
    if spec.network.connect not in ("auto", "public"):
        yield "network.connect"


def _describe_source(source: Source) -> dict[str, object]:
    """Return how the template finds the source image, and with which values.

    Packer does not read the Elastic CI Stack's mapping: it finds the newest release's image by the
    names that Buildkite gives them. `amikiln export packer-inputs` refuses another release's.
    """
    if source.stack_version is not None:
        system = source.stack_distribution if source.is_ubuntu else "amazonlinux2023"
        name = f"buildkite-stack-linux-{system}-{source.architecture}-*"
        return {"source": "name", "source_name": name, "source_owner": STACK_OWNER}
    kind = "name" if source.name else "id" if source.id else "other"
    return {"source": kind, "source_name": source.name, "source_owner": source.owner}


def _render_recipe(spec: Spec, own_steps: Mapping[str, bytes]) -> dict[str, bytes]:
    files = render.render_own_files(spec, own_steps)
    return {f"{RECIPE}/{path}": content for path, content in files.items()}


def _select_shared(spec: Spec, folder: str) -> dict[str, bytes]:
    files = render.select_shared_files(spec)
    builder = files.pop("builder.sh")
    found = {f"{folder}/guest/{path}": content for path, content in files.items()}
    return {**found, f"{folder}/{_builder_file(spec)}": builder}


def _builder_file(spec: Spec) -> str:
    return f"builders/{spec.buildkit.driver}.sh"


def _locate_shared(image: Path, here: Path) -> str:
    """Return where the recipe's shared files are, from Packer's folder."""
    checkout = _find_checkout(image)
    if checkout is None or not Path(os.path.abspath(here)).is_relative_to(checkout):
        return SHARED
    return os.path.relpath(checkout / "src" / "amikiln" / "recipe", here)


def _find_checkout(image: Path) -> Path | None:
    """Return the checkout of amikiln that an image's folder is in, by its set-up script."""
    path = Path(os.path.abspath(image))
    for folder in (path, *path.parents):
        if (folder / "scripts" / "lib" / "setup.sh").is_file():
            return folder
    return None


def _render(name: str, values: Mapping[str, Any]) -> bytes:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("amikiln.export.packer", ""),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  (no HTML: what is quoted is quoted by `hcl`)
    )
    environment.filters["hcl"] = quote_hcl
    return environment.get_template(name).render(values).encode()
