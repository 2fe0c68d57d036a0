"""The commands ``amikiln export ...``: what other tools take, made from the spec."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from amikiln.cli.options import NO_CHANGES, Changes, ImageDirectory, Local
from amikiln.cli.prepare import prepared
from amikiln.errors import AmikilnError
from amikiln.export import iam_policy, schema, terraform
from amikiln.export.packer import folder, template
from amikiln.plan.resolve import plan as make_plan
from amikiln.spec import load, own_files

export = typer.Typer(no_args_is_help=True, help="Print, or write, what other tools take.")

To = Annotated[Path, typer.Option("--to", help="Packer's folder", file_okay=False)]
RootDevice = Annotated[str, typer.Option("--root-device", help="The source image's root device")]


@export.command("schema")
def export_schema() -> None:
    """Print the JSON Schema of image.toml."""
    print(schema.render_spec_schema(), end="")


@export.command("verdict-schema")
def export_verdict_schema() -> None:
    """Print the JSON Schema of a verdict's file."""
    print(schema.render_verdict_schema(), end="")


@export.command("iam-policy")
def export_iam_policy(
    image: ImageDirectory,
    account: Annotated[
        str, typer.Option(metavar="ID", help="The account's 12 digits; * is any")
    ] = iam_policy.ANY_ACCOUNT,
    kms_key: Annotated[
        str | None,
        typer.Option(metavar="ARN", help="The account's own key that encrypts its volumes"),
    ] = None,
) -> None:
    """Print the IAM policy that the verbs need for an image, and nothing beyond it."""
    print(iam_policy.render_policy(load.load(image), account, kms_key), end="")


@export.command("terraform")
def export_terraform(image: ImageDirectory) -> None:
    """Print an image's values for terraform/aws, as NAME.auto.tfvars.json."""
    print(terraform.render_variables(load.load(image)), end="")


@export.command("packer")
def export_packer(
    image: ImageDirectory,
    to: To,
    local: Local = False,
    changes: Changes = NO_CHANGES,
    root_device: RootDevice = template.ROOT_DEVICE,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if the folder is not current")
    ] = False,
) -> None:
    """Write Packer's folder: a template, and the recipe that `bake` runs. Asks no cloud."""
    spec = load.load(image, local=local, changes=changes)
    wanted = template.render_folder(spec, own_files.read(image), to, root_device=root_device)
    if not check:
        folder.write_folder(to, wanted)
    elif stale := folder.compare_folder(to, wanted):
        raise AmikilnError(
            f"{to} is not what {image} says: {', '.join(stale)}",
            hint=f"amikiln export packer {image} --to {to}",
        )


@export.command("packer-inputs")
def export_packer_inputs(
    image: ImageDirectory,
    to: To,
    source_ami: Annotated[str, typer.Option(help="The image that Packer builds on")],
    root_device: RootDevice,
    local: Local = False,
    changes: Changes = NO_CHANGES,
) -> None:
    """Write what one build of Packer's resolves; its template calls this."""
    spec, session = prepared(image, local, changes)
    plan = make_plan(spec, own_files.read(image), session)
    folder.write_inputs(to, plan, image, source_ami=source_ami, root_device=root_device)
