"""The commands that only look at what is there, and how a result is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

import amikiln
from amikiln.cli.options import (
    NO_CHANGES,
    NO_WAIT,
    Changes,
    ImageDirectory,
    Json,
    Local,
    parse_time,
)
from amikiln.cli.prepare import prepare

Found = TypeVar("Found")


def rollout(
    image: ImageDirectory,
    local: Local = False,
    changes: Changes = NO_CHANGES,
    as_json: Json = False,
    wait: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Wait until all machines run it, for this long at most: 90s, 10m, 2h",
        ),
    ] = NO_WAIT,
) -> None:
    """Show which machines run the published image.

    Old machines are replaced when their jobs end; --wait waits for that.

    \b
    Example:
      amikiln rollout images/rust-build --wait 2h
    """
    from amikiln.cli import output
    from amikiln.rollout.published import roll_out_published

    wait_seconds = parse_time(wait, "--wait")
    folder, session = prepare(image, local, changes)
    groups = roll_out_published(folder.spec, session, wait_seconds)
    show(groups, as_json, output.print_groups)


def status(
    image: ImageDirectory,
    local: Local = False,
    changes: Changes = NO_CHANGES,
    as_json: Json = False,
) -> None:
    """Show the pointer, images and machines.

    \b
    Example:
      amikiln status images/rust-build --json
    """
    from amikiln.cli import output

    folder, session = prepare(image, local, changes)
    show(amikiln.read_status(folder.spec, session), as_json, output.print_status)


def show(
    found: Found,
    as_json: bool,
    print_table: Callable[[Found], None],
    file: Path | None = None,
) -> None:
    """Show a result to its user.

    Args:
        found: The result.
        as_json: Print it as JSON.
        print_table: Prints it for people otherwise.
        file: Write it as JSON to this file, too.
    """
    from amikiln.cli import output
    from amikiln.runtime.files import write_file

    if file is not None:
        write_file(file, output.to_json(found).encode() + b"\n")
    if as_json:
        output.print_json(found)
    else:
        print_table(found)
