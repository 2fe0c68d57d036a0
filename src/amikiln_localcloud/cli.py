"""The commands ``amikiln cloud ...``."""

from __future__ import annotations

import dataclasses
import json
import shlex
from enum import Enum
from typing import Annotated

import typer

from amikiln.errors import LocalCloudError
from amikiln.runtime.progress import reporter_for_stderr
from amikiln_localcloud import control, environment
from amikiln_localcloud.control import CloudStatus
from amikiln_localcloud.home import CloudHome
from amikiln_localcloud.registry.content import put_stand_in

cloud = typer.Typer(
    no_args_is_help=True,
    help="A cloud on this machine: the AWS API, with virtual machines behind it.",
)
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON")]


class Generation(Enum):
    """Which of the stand-in's contents."""

    V1 = "v1"
    V2 = "v2"


@cloud.command()
def up(as_json: Json = False) -> None:
    """Start the local cloud, and make what is missing for it."""
    _print(control.up(CloudHome.default(), reporter_for_stderr()), as_json)


@cloud.command()
def down() -> None:
    """End the local cloud and its machines; images and parameters stay."""
    control.down(CloudHome.default(), reporter_for_stderr())


@cloud.command()
def status(as_json: Json = False) -> None:
    """Show whether the local cloud is up, and where. Exit code 1: it is not."""
    found = control.status(CloudHome.default())
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
    control.reset(CloudHome.default(), reporter_for_stderr())


@cloud.command()
def content(
    generation: Annotated[Generation, typer.Argument(help="v2 has one layer more than v1")],
) -> None:
    """Put other content under the CI image's tag, as every merge does; print its digest."""
    home = CloudHome.default()
    registry = control.status(home).registry
    if registry is None:
        raise LocalCloudError("the local cloud is not up", hint="amikiln cloud up")
    number = {Generation.V1: 1, Generation.V2: 2}[generation]
    print(put_stand_in(number, registry, home.cache, reporter_for_stderr()).digest)


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
