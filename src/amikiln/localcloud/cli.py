"""The commands ``amikiln cloud ...``."""

from __future__ import annotations

import dataclasses
import json
import shlex
from typing import Annotated

import typer

from amikiln.localcloud import client, environment
from amikiln.localcloud.client import CloudStatus
from amikiln.localcloud.content.command import content
from amikiln.localcloud.home import CloudHome
from amikiln.report import reporter_for_stderr

cloud = typer.Typer(
    no_args_is_help=True,
    help="A cloud on this machine: the AWS API, with virtual machines behind it.",
)
cloud.command()(content)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON")]


@cloud.command()
def up(as_json: Json = False) -> None:
    """Start the local cloud, and make what is missing for it."""
    _print(client.up(CloudHome.default(), reporter_for_stderr()), as_json)


@cloud.command()
def down() -> None:
    """End the local cloud and its machines; images and parameters stay."""
    client.down(CloudHome.default(), reporter_for_stderr())


@cloud.command()
def status(as_json: Json = False) -> None:
    """Show whether the local cloud is up, and where. Exit code 1: it is not."""
    found = client.status(CloudHome.default())
    _print(found, as_json)
    if not found.running:
        raise typer.Exit(1)


@cloud.command()
def env(as_json: Json = False) -> None:
    """Print the variables that make AWS clients use it: eval "$(amikiln cloud env)"."""
    variables = environment.variables(CloudHome.default())
    if as_json:
        print(json.dumps(variables, indent=2))
        return
    for name in environment.REMOVED_VARIABLES:
        print(f"unset {name}")
    for name, value in variables.items():
        print(f"export {name}={_quoted(value)}")


@cloud.command()
def reset() -> None:
    """End the local cloud, and remove its images, parameters and registry content."""
    client.reset(CloudHome.default(), reporter_for_stderr())


def _print(found: CloudStatus, as_json: bool) -> None:
    if as_json:
        print(json.dumps(dataclasses.asdict(found), indent=2))
    elif found.running:
        print(f"up: {found.endpoint}, registry {found.registry}, process {found.pid}")
    else:
        print("down")


def _quoted(value: str) -> str:
    quoted = shlex.quote(value)
    return quoted if quoted.startswith("'") else f"'{quoted}'"
