"""Options that the commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from amikiln.errors import SpecError

NO_CHANGES: list[str] = []
NO_FILES: list[str] = []
NO_WAIT = "0s"
UNITS = {"s": 1, "m": 60, "h": 3600}

ImageDirectory = Annotated[
    Path, typer.Argument(metavar="IMAGE", help="The image's directory, such as images/cpu-build")
]
AmiAfterImage = Annotated[
    str | None,
    typer.Argument(
        metavar="AMI", help="The AMI's id, such as ami-0123456789abcdef0", show_default=False
    ),
]
PlannedImage = Annotated[
    Path | None,
    typer.Argument(
        metavar="IMAGE",
        help="The image's directory, such as images/cpu-build; --plan names it, too",
        show_default=False,
    ),
]
PlanPath = Annotated[
    Path | None,
    typer.Option(
        "--plan",
        metavar="FILE",
        envvar="AMIKILN_PLAN",
        help="Use this plan, which `plan --out` wrote; refuse it if it does not hold any more",
    ),
]
Local = Annotated[
    bool,
    typer.Option(
        "--local", envvar="AMIKILN_LOCAL", help="Use the local cloud, and start it if it is not up"
    ),
]
Changes = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the spec for this run only"),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON")]
ResultFile = Annotated[
    Path | None,
    typer.Option(
        "--result",
        metavar="FILE",
        help="Write the result to this file too, as JSON",
        dir_okay=False,
    ),
]
VerdictFile = Annotated[
    Path | None,
    typer.Option(
        "--verdict", metavar="FILE", help="Write the verdict to this file", dir_okay=False
    ),
]
SecretsFd = Annotated[
    int | None,
    typer.Option(
        "--secrets-fd",
        metavar="NUMBER",
        help="Read the secrets of logins and warm build from this descriptor, as a JSON object",
    ),
]
BakeFiles = Annotated[
    list[str],
    typer.Option(
        "--bake-file",
        metavar="NAME=PATH",
        envvar="AMIKILN_BAKE_FILES",
        help="A bake file that the spec names as given; PATH alone if it ends with that name",
    ),
]
LeaseWait = Annotated[
    str,
    typer.Option(
        "--lease-wait",
        metavar="TIME",
        envvar="AMIKILN_LEASE_WAIT",
        help="Wait this long for another run of the image to end: 90s, 10m, 2h",
    ),
]
KeepOnError = Annotated[
    bool,
    typer.Option("--keep-on-error", help="Leave the machine running if a step of the recipe fails"),
]


def parse_time(text: str, option: str) -> int:
    """Return the seconds of a time that an option was given: ``90s``, ``10m``, ``2h``."""
    found = re.fullmatch(r"(\d+)([smh])", text)
    if found is None:
        raise SpecError(f"{option} {text}: not a time", hint="write it as 90s, 10m or 2h")
    return int(found[1]) * UNITS[found[2]]
