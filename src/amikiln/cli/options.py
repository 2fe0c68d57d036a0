"""Options that the commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from amikiln.errors import SpecError

NO_CHANGES: list[str] = []
NO_WAIT = "0s"
UNITS = {"s": 1, "m": 60, "h": 3600}

ImageDirectory = Annotated[Path, typer.Argument(help="The image's directory, as images/cpu-build")]
Ami = Annotated[str, typer.Argument(help="The image's id, as ami-0123456789abcdef0")]
Local = Annotated[
    bool,
    typer.Option(
        "--local", envvar="AMIKILN_LOCAL", help="Use the local cloud; start it if it is not up"
    ),
]
Changes = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the spec for this run"),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON")]
KeepResult = Annotated[
    Path | None,
    typer.Option("--result", help="Keep the result as JSON in this file, too", dir_okay=False),
]
KeepVerdict = Annotated[
    Path | None, typer.Option("--verdict", help="Keep the verdict in this file", dir_okay=False)
]
SecretsFd = Annotated[
    int | None,
    typer.Option(
        "--secrets-fd",
        metavar="NUMBER",
        help="Read the warm build's secrets from this file descriptor: a JSON object",
    ),
]
LeaseWait = Annotated[
    str,
    typer.Option(
        "--lease-wait",
        envvar="AMIKILN_LEASE_WAIT",
        help="Wait so long for another run to end, as 90s, 10m, 2h",
    ),
]
KeepOnError = Annotated[
    bool, typer.Option("--keep-on-error", help="Leave a machine whose recipe failed running")
]


def seconds_of(text: str, option: str) -> int:
    """Return the seconds of an option's time as people write it: ``90s``, ``10m``, ``2h``."""
    found = re.fullmatch(r"(\d+)([smh])", text)
    if found is None:
        raise SpecError(f"{option} {text}: not a time", hint="write it as 90s, 10m or 2h")
    return int(found[1]) * UNITS[found[2]]
