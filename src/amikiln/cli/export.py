"""The commands ``amikiln export ...``: what other tools take, made from the spec."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import amikiln
from amikiln.cli.help import Group
from amikiln.cli.options import (
    NO_CHANGES,
    NO_FILES,
    BakeFiles,
    Changes,
    ImageDirectory,
    Local,
    PlanPath,
    SecretsFd,
)
from amikiln.cli.prepare import open_plan, prepare
from amikiln.errors import AmikilnError
from amikiln.export import ANY_ACCOUNT, ROOT_DEVICE

export = Group("Write what other tools need from a spec.")

To = Annotated[Path, typer.Option("--to", metavar="DIR", help="Packer's folder", file_okay=False)]
RootDevice = Annotated[
    str, typer.Option("--root-device", metavar="DEVICE", help="The source image's root device")
]


@export.command("schema")
def export_schema() -> None:
    """Print the schema of image.toml.

    \b
    Example:
      amikiln export schema > image.schema.json
    """
    from amikiln.export import schema

    print(schema.render_spec_schema(), end="")


@export.command("spec-reference")
def export_spec_reference() -> None:
    """Print a page about every key.

    It lists those of image.toml.

    \b
    Example:
      amikiln export spec-reference > docs/keys.md
    """
    from amikiln.export import spec_reference

    print(spec_reference.render_reference(), end="")


@export.command("plan-schema")
def export_plan_schema() -> None:
    """Print the schema of a plan file.

    \b
    Example:
      amikiln export plan-schema > plan.schema.json
    """
    from amikiln.export import schema

    print(schema.render_plan_schema(), end="")


@export.command("verdict-schema")
def export_verdict_schema() -> None:
    """Print the schema of a verdict file.

    \b
    Example:
      amikiln export verdict-schema > schema.json
    """
    from amikiln.export import schema

    print(schema.render_verdict_schema(), end="")


@export.command("iam-policy")
def export_iam_policy(
    image: ImageDirectory,
    changes: Changes = NO_CHANGES,
    account: Annotated[
        str, typer.Option(metavar="ID", help="The account's 12 digits; * for any")
    ] = ANY_ACCOUNT,
    kms_key: Annotated[
        str | None,
        typer.Option(metavar="ARN", help="The account's own key, if one encrypts its volumes"),
    ] = None,
) -> None:
    """Print the IAM policy for an image.

    It allows what the commands need for this image, and nothing else.

    \b
    Example:
      amikiln export iam-policy images/rust-build > iam.json
    """
    from amikiln.export import iam_policy

    print(
        iam_policy.render_policy(amikiln.load(image, changes=changes).spec, account, kms_key),
        end="",
    )


@export.command("terraform")
def export_terraform(image: ImageDirectory, changes: Changes = NO_CHANGES) -> None:
    """Print values for terraform/aws.

    Write them to a file NAME.auto.tfvars.json there.

    \b
    Example:
      amikiln export terraform images/rust-build \\
        > terraform/aws/rust-build.auto.tfvars.json
    """
    from amikiln.export import terraform

    loaded = amikiln.load(image, changes=changes)
    own = len(loaded.steps), len(loaded.checks)
    print(terraform.render_variables(loaded.spec, own), end="")


@export.command("buildkite")
def export_buildkite(
    image: ImageDirectory,
    to: Annotated[
        Path, typer.Option("--to", metavar="FILE", help="The pipeline's YAML file", dir_okay=False)
    ],
    changes: Changes = NO_CHANGES,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if the file is not current")
    ] = False,
) -> None:
    """Write a pipeline's timeouts.

    Those of its steps follow from the spec's deadlines; nothing else of the file changes.

    \b
    Example:
      amikiln export buildkite images/rust-build \\
        --to .buildkite/pipelines/rust-build.yml
    """
    from amikiln.export import buildkite

    try:
        found = to.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AmikilnError(f"cannot read {to}: {error}") from error
    wanted = buildkite.fill_timeouts(found, amikiln.load(image, changes=changes), str(to))
    if wanted == found:
        return
    if check:
        raise AmikilnError(
            f"the timeouts of {to} are not those of {image}'s deadlines",
            hint=f"amikiln export buildkite {image} --to {to}",
        )
    to.write_text(wanted, encoding="utf-8")


@export.command("packer")
def export_packer(
    image: ImageDirectory,
    to: To,
    local: Local = False,
    changes: Changes = NO_CHANGES,
    root_device: RootDevice = ROOT_DEVICE,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if the folder is not current")
    ] = False,
) -> None:
    """Write a folder for Packer.

    It holds a template and the recipe that `bake` runs. No cloud is asked.

    \b
    Example:
      amikiln export packer images/rust-build --to packer/rust
    """
    from amikiln.export.packer import folder, template

    loaded = amikiln.load(image, local=local, changes=changes)
    wanted = template.render_folder(loaded, to, root_device=root_device)
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
    source_ami: Annotated[str, typer.Option(metavar="AMI", help="The image that Packer builds on")],
    root_device: RootDevice,
    local: Local = False,
    changes: Changes = NO_CHANGES,
    bake_files: BakeFiles = NO_FILES,
    plan: PlanPath = None,
    secrets_fd: SecretsFd = None,
) -> None:
    """Write what a Packer build needs.

    Packer's template calls this: without a plan, digests and a commit are resolved anew.

    \b
    Example:
      amikiln export packer-inputs images/rust-build \\
        --to packer/rust --root-device /dev/xvda \\
        --source-ami ami-0123456789abcdef0
    """
    from amikiln.export.packer import folder

    plan_file = open_plan(plan)
    loaded, session = prepare(
        image, local, changes, secrets_fd, plan_file=plan_file, bake_files=bake_files
    )
    if plan_file is not None:
        planned = amikiln.use_plan(plan_file, loaded, session)
    else:
        planned = amikiln.make_plan(loaded, session)
    folder.write_inputs(to, planned, image, source_ami=source_ami, root_device=root_device)
