"""The commands ``amikiln cloud ...``."""

from __future__ import annotations

import dataclasses
import json
import shlex
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

import amikiln_localcloud as local_cloud
from amikiln.cli.help import Group
from amikiln.runtime.progress import reporter_for_stderr
from amikiln_localcloud import extra

if TYPE_CHECKING:
    from amikiln_localcloud.daemon_record import CloudStatus

cloud = Group("A cloud on this machine: the AWS API, with machines that really boot.")
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON")]


class Generation(Enum):
    """Which content of the CI image."""

    V1 = "v1"
    V2 = "v2"


@cloud.callback()
def check_installed() -> None:
    """A cloud on this machine: the AWS API, with virtual machines behind it."""
    extra.check_installed()


@cloud.command()
def up(
    as_json: Json = False,
    machines: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            envvar="AMIKILN_MACHINES",
            help="kvm, container or emulated; else the fastest kind that works here",
        ),
    ] = None,
    late: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            envvar="AMIKILN_LATE",
            help="Show new things so late in EC2 and SSM, as AWS may do; at once by default",
        ),
    ] = None,
) -> None:
    """Start it; make what it lacks.

    It works until `amikiln cloud down`, or the machine's next boot.

    \b
    Example:
      amikiln cloud up --machines container
    """
    home, report = local_cloud.Home.default(), reporter_for_stderr()
    _print(local_cloud.up(home, report, machines, late), as_json)


@cloud.command()
def down() -> None:
    """End it and its machines.

    Images and parameters stay.

    \b
    Example:
      amikiln cloud down
    """
    local_cloud.down(local_cloud.Home.default(), reporter_for_stderr())


@cloud.command()
def status(as_json: Json = False) -> None:
    """Show whether it is up, and where.

    Exit code 1: it is not.

    \b
    Example:
      amikiln cloud status --json
    """
    found = local_cloud.status(local_cloud.Home.default())
    _print(found, as_json)
    if not found.running:
        raise typer.Exit(1)


@cloud.command()
def env(as_json: Json = False) -> None:
    """Print the variables for clients.

    AWS clients use it then, and AMIKILN_REGISTRY names its registry.

    \b
    Example:
      eval "$(amikiln cloud env)"
    """
    from amikiln_localcloud.variables import REMOVED_VARIABLES, environment

    values = environment(local_cloud.Home.default())
    if as_json:
        print(json.dumps(values, indent=2))
        return
    for name in REMOVED_VARIABLES:
        print(f"unset {name}")
    for name, value in values.items():
        print(f"export {name}={_quoted(value)}")


@cloud.command()
def reset() -> None:
    """End it, and remove all it has.

    Its images, parameters and registry content are gone.

    \b
    Example:
      amikiln cloud reset
    """
    local_cloud.reset(local_cloud.Home.default(), reporter_for_stderr())


@cloud.command()
def content(
    generation: Annotated[Generation, typer.Argument(help="v2 has one layer more than v1")],
) -> None:
    """Push another CI image to its tag.

    Every merge does that. Prints the digest.

    \b
    Example:
      amikiln cloud content v2
    """
    from amikiln_localcloud.control import find_running
    from amikiln_localcloud.registry.content import push_ci_image

    home = local_cloud.Home.default()
    registry = find_running(home).registry
    number = {Generation.V1: 1, Generation.V2: 2}[generation]
    print(push_ci_image(number, registry, home.cache, reporter_for_stderr()).digest)


@cloud.command("stack-template")
def stack_template() -> None:
    """Print a stack's template.

    It is one of the Elastic CI Stack, whose image is this cloud's stand-in for it. As a file
    beside image.toml it serves as source.stack_template.

    \b
    Example:
      amikiln cloud stack-template > template.yml
    """
    from amikiln_localcloud.machines.elastic_stack import render_template

    print(render_template(), end="")


def _print(found: CloudStatus, as_json: bool) -> None:
    if as_json:
        print(json.dumps(dataclasses.asdict(found), indent=2))
    elif found.running:
        print(f"up: {found.endpoint}, registry {found.registry}, process {found.pid}")
        print(f"machines: {found.machines} ({found.machines_reason})")
        for note in found.machines_notes:
            print(note)
        if found.late:
            print(f"new things are shown {found.late:g} s late")
    else:
        print("down")


def _quoted(value: str) -> str:
    quoted = shlex.quote(value)
    return quoted if quoted.startswith("'") else f"'{quoted}'"
