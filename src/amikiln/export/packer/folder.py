"""Packer's folder on disk: written, compared, and filled with what one build resolves."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path

from amikiln.errors import PreflightError
from amikiln.export.packer import template
from amikiln.model.plan import Plan
from amikiln.recipe import build_context, render


def write(folder: Path, wanted: Mapping[str, bytes]) -> None:
    """Make a folder hold these files, and of the recipe's no others.

    Raises:
        OSError: It cannot be written.
    """
    for path in _superfluous(folder, wanted):
        (folder / path).unlink()
    for path, content in wanted.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        if path == template.PULL_SCRIPT:
            file.chmod(0o755)


def outdated(folder: Path, wanted: Mapping[str, bytes]) -> list[str]:
    """Return the paths in which a folder is not as it should be, sorted."""
    other = [path for path, content in wanted.items() if _content(folder / path) != content]
    return sorted([*other, *_superfluous(folder, wanted)])


def write_inputs(folder: Path, plan: Plan, *, source_ami: str, root_device: str) -> None:
    """Write what one build needs besides the folder: ``inputs/recipe.tar`` and ``context.tar``.

    Args:
        folder: Packer's.
        plan: What is to be built.
        source_ami: The image that Packer builds on.
        root_device: The device that Packer gives the image's volume.

    Raises:
        PreflightError: Packer would build another image than was planned.
    """
    wanted = template.recipe_files(plan.spec, plan.own_steps)
    if stale := outdated(folder, wanted):
        raise PreflightError(
            f"{folder} is not what the spec says: {', '.join(stale)}",
            hint="run `amikiln export packer` again with the same options",
        )
    if source_ami != plan.source.id:
        raise PreflightError(
            f"Packer builds on {source_ami}, and the plan on {plan.source.id}",
            hint="a new one came out meanwhile, or a variable of the template was changed: run"
            " Packer again, or change the spec and export",
        )
    if root_device != plan.source.root_device:
        raise PreflightError(
            f"the root device of {source_ami} is {plan.source.root_device}, and Packer would add a"
            f" second volume as {root_device}",
            hint=f"give Packer -var root_device={plan.source.root_device}",
        )
    inputs = folder / template.INPUTS
    shutil.rmtree(inputs, ignore_errors=True)
    inputs.mkdir(parents=True)
    resolved = render.add_scanner(render.render_recipe(plan), plan)
    planned = {path for path in resolved.files if f"{template.RECIPE}/{path}" not in wanted}
    of_today = {path: resolved.files[path] for path in sorted(planned)}
    (inputs / "recipe.tar").write_bytes(dataclasses.replace(resolved, files=of_today).archive())
    if plan.context is not None:
        with (
            build_context.pack_context(plan.context) as archive,
            (inputs / "context.tar").open("wb") as file,
        ):
            shutil.copyfileobj(archive, file)


def _superfluous(folder: Path, wanted: Mapping[str, bytes]) -> list[str]:
    here = (path for path in (folder / template.RECIPE).rglob("*") if path.is_file())
    return [path for found in here if (path := found.relative_to(folder).as_posix()) not in wanted]


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None
