"""What the verbs of the command line share: options, and a spec and tools made ready by them."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from amikiln import secrets_input, spec_file
from amikiln.aws import session
from amikiln.errors import SpecError
from amikiln.localcloud import client, environment
from amikiln.localcloud.home import CloudHome
from amikiln.report import reporter_for_stderr
from amikiln.spec import Spec
from amikiln.toolbox import Toolbox
from amikiln.wait import Waiter

STARTED = time.monotonic()
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


def prepared(
    image: Path,
    local: bool,
    changes: Sequence[str] = (),
    secrets_fd: int | None = None,
    lease_wait: str = NO_WAIT,
) -> tuple[Spec, Toolbox]:
    """Return an image's spec, and the tools to work on it with.

    Args:
        image: The image's directory.
        local: Use the local cloud, and start it if it is not up.
        changes: Values of the spec for this run alone, as ``table.key=value``.
        secrets_fd: A file descriptor with the warm build's secrets.
        lease_wait: How long to wait for another run's lease, as ``10m``.
    """
    lease_wait_seconds = seconds_of(lease_wait, "--lease-wait")
    report = reporter_for_stderr(STARTED)
    waiter = Waiter(report)
    spec = spec_file.load(image, local=local, changes=changes)
    secrets = secrets_input.read(secrets_fd) if secrets_fd is not None else {}
    if local:
        home = CloudHome.default()
        with waiter.span("the local cloud"):
            client.up(home, report)
        environment.enter(home, os.environ)
    cloud = session.connect(spec.region)
    return spec, Toolbox(
        cloud, report, waiter, secrets=secrets, lease_wait_seconds=lease_wait_seconds
    )


def seconds_of(text: str, option: str) -> int:
    """Return the seconds of an option's time as people write it: ``90s``, ``10m``, ``2h``."""
    found = re.fullmatch(r"(\d+)([smh])", text)
    if found is None:
        raise SpecError(f"{option} {text}: not a time", hint="write it as 90s, 10m or 2h")
    return int(found[1]) * UNITS[found[2]]
