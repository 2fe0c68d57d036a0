"""Packer's folder on disk: write it, compare it, and add what one build has resolved."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path

from amikiln.errors import PreflightError
from amikiln.export.packer import template
from amikiln.model.plan import Plan
from amikiln.recipe import build_context, render


def write_folder(folder: Path, wanted: Mapping[str, bytes]) -> None:
    """Write these files to a folder, and delete other files of the recipe there.

    Raises:
        PreflightError: Files would be deleted that are not amikiln's.
        OSError: It cannot be written.
    """
    superfluous = _find_superfluous(folder, wanted)
    templates = (folder / path for path in wanted if path.endswith(".pkr.hcl"))
    if superfluous and not any(file.exists() for file in templates):
        raise PreflightError(
            f"{folder} has no template of amikiln's, but other files: {', '.join(superfluous)}",
            hint="export to an empty folder, or to one that `amikiln export packer` wrote",
        )
    for path in superfluous:
        (folder / path).unlink()
    for path, content in wanted.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        if path == template.PULL_SCRIPT:
            file.chmod(0o755)


def compare_folder(folder: Path, wanted: Mapping[str, bytes]) -> list[str]:
    """Return the paths of missing, changed and superfluous files, sorted."""
    other = [path for path, content in wanted.items() if _read(folder / path) != content]
    return sorted([*other, *_find_superfluous(folder, wanted)])


def write_inputs(
    folder: Path, plan: Plan, image: Path, *, source_ami: str, root_device: str
) -> None:
    """Write what one build needs besides the folder: ``inputs/recipe.tar`` and ``context.tar``.

    Args:
        folder: Packer's.
        plan: What Packer is going to build.
        image: The image's directory.
        source_ami: The source image that Packer found.
        root_device: The device that Packer gives the image's volume.

    Raises:
        PreflightError: Packer would build something else than was planned.
    """
    uploads = template.render_uploads(plan.spec, plan.own_steps, image, folder)
    if stale := compare_folder(folder, uploads):
        raise PreflightError(
            f"{folder} does not match the spec: {', '.join(stale)}",
            hint="run `amikiln export packer` again with the same options",
        )
    if source_ami != plan.source.id:
        raise PreflightError(
            f"Packer uses the source image {source_ami}, and the plan {plan.source.id}",
            hint=f"run packer build -var 'source_ami_name={plan.source.name}'"
            if plan.spec.source.stack_version is not None
            else "if a new one was just released, run Packer again; if a variable of the template"
            " was changed, change the spec instead and export again",
        )
    if root_device != plan.source.root_device:
        raise PreflightError(
            f"the root device of {source_ami} is {plan.source.root_device}, so Packer would add a"
            f" second volume as {root_device}",
            hint=f"run packer build -var root_device={plan.source.root_device}",
        )
    inputs = folder / template.INPUTS
    shutil.rmtree(inputs, ignore_errors=True)
    inputs.mkdir(parents=True)
    resolved = render.add_scanner(render.render_recipe(plan), plan)
    uploaded = render.render_spec_files(plan.spec, plan.own_steps)
    lacking = {path: resolved.files[path] for path in sorted({*resolved.files} - {*uploaded})}
    (inputs / "recipe.tar").write_bytes(dataclasses.replace(resolved, files=lacking).pack())
    if plan.context is not None:
        with (
            build_context.pack_context(plan.context) as archive,
            (inputs / "context.tar").open("wb") as file,
        ):
            shutil.copyfileobj(archive, file)


def _find_superfluous(folder: Path, wanted: Mapping[str, bytes]) -> list[str]:
    return [
        path
        for part in (template.RECIPE, template.SHARED)
        for file in (folder / part).rglob("*")
        if file.is_file() and (path := file.relative_to(folder).as_posix()) not in wanted
    ]


def _read(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None
