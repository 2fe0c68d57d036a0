"""The command line: verbs, options, exit codes. The one place where errors become text."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from amikiln import __version__, places, schema, spec_file, steps, tables
from amikiln.aws import session
from amikiln.aws.errors import AwsFailure, explain
from amikiln.errors import INTERRUPTED_EXIT_CODE, AmikilnError, Interrupted, SpecError
from amikiln.localcloud import client, environment
from amikiln.localcloud.cli import cloud as local_cloud_commands
from amikiln.localcloud.home import CloudHome
from amikiln.plan import plan as make_plan
from amikiln.recipe import own
from amikiln.report import reporter_for_stderr
from amikiln.rollout import turn_over
from amikiln.spec import Spec
from amikiln.status import status as read_status
from amikiln.toolbox import Toolbox
from amikiln.wait import Waiter

STARTED = time.monotonic()
NO_CHANGES: list[str] = []
UNITS = {"s": 1, "m": 60, "h": 3600}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Bakes, proves, publishes and rolls out machine images for CI builders.",
)

app.add_typer(local_cloud_commands, name="cloud")
export = typer.Typer(no_args_is_help=True, help="Print what other tools take.")
app.add_typer(export, name="export")

ImageDirectory = Annotated[Path, typer.Argument(help="The image's directory, as images/cpu-build")]
Local = Annotated[
    bool, typer.Option("--local", help="Use the local cloud; start it if it is not up")
]
Changes = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the spec for this run"),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON")]


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks")] = False,
) -> None:
    """Take the options that stand before the verb."""
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def plan(
    image: ImageDirectory,
    local: Local = False,
    changes: Changes = NO_CHANGES,
    as_json: Json = False,
) -> None:
    """Show what a run would do, with everything resolved. Writes nothing."""
    spec, tools = _prepared(image, local, changes)
    planned = make_plan(spec, own.read(image), tools)
    if as_json:
        tables.print_json(planned)
    else:
        tables.print_plan(planned)


@app.command()
def run(
    image: ImageDirectory,
    local: Local = False,
    changes: Changes = NO_CHANGES,
    as_json: Json = False,
    verdict: Annotated[
        Path | None, typer.Option(help="Keep the verdict in this file", dir_okay=False)
    ] = None,
    keep_on_error: Annotated[
        bool, typer.Option("--keep-on-error", help="Leave a machine whose recipe failed running")
    ] = False,
) -> None:
    """Bake an image, prove it, publish it, and see the fleet follow."""
    spec, tools = _prepared(image, local, changes)
    this_run = steps.new_run(spec.name)
    folder = places.state_directory() / "runs" / this_run.id
    done = steps.cycle(
        spec,
        own.read(image),
        this_run,
        tools,
        verdict or folder / "verdict.json",
        keep_on_error=keep_on_error,
    )
    controller_seconds = time.monotonic() - STARTED - tools.waiter.waited_seconds()
    steps.record(done, folder / "result.json")
    if as_json:
        tables.print_json({"cycle": done, "controller_seconds": round(controller_seconds, 2)})
    else:
        tables.print_cycle(done, controller_seconds)


@app.command()
def rollout(
    image: ImageDirectory,
    local: Local = False,
    as_json: Json = False,
    wait: Annotated[
        str, typer.Option(help="Wait until all machines run the published image, as 90s, 10m, 2h")
    ] = "0s",
) -> None:
    """Show which machines run the published image, and wait for the others to end their jobs."""
    wait_seconds = _seconds(wait)
    spec, tools = _prepared(image, local)
    pointer = tools.cloud.parameters.get(spec.pointer)
    if pointer is None:
        raise AmikilnError(f"{spec.pointer} names no image yet", hint="`amikiln run` publishes one")
    groups = turn_over(spec, pointer.value, tools, wait_seconds=wait_seconds)
    if as_json:
        tables.print_json(groups)
    else:
        tables.print_groups(groups)


@app.command()
def status(image: ImageDirectory, local: Local = False, as_json: Json = False) -> None:
    """Show the pointer, the images and the machines."""
    spec, tools = _prepared(image, local)
    found = read_status(spec, tools)
    if as_json:
        tables.print_json(found)
    else:
        tables.print_status(found)


@export.command("schema")
def export_schema() -> None:
    """Print the JSON Schema of image.toml."""
    print(schema.text(), end="")


def main() -> NoReturn:
    """Run the command line; every way out of here has a documented exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    debug = "--debug" in sys.argv
    try:
        app()
    except Interrupted as interrupt:
        left = "; ".join(interrupt.left_behind)
        what = "interrupted; what was made is removed again"
        if left:
            what = f"interrupted twice; left behind: {left}"
        hint = "the next run removes what of it is in the cloud" if left else None
        _fail(what, hint, INTERRUPTED_EXIT_CODE, debug)
    except AmikilnError as error:
        _fail(error.what, error.hint, error.exit_code, debug)
    except AwsFailure as error:
        _fail(*explain(error), AmikilnError.exit_code, debug)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}", None, AmikilnError.exit_code, debug)
    except Exception as error:
        what = f"unexpected {type(error).__name__}: {error}"
        hint = "this is amikiln's own fault: run `amikiln --debug ...` and report what it shows"
        _fail(what, hint, AmikilnError.exit_code, debug)
    sys.exit(0)


def _prepared(image: Path, local: bool, changes: Sequence[str] = ()) -> tuple[Spec, Toolbox]:
    report = reporter_for_stderr(STARTED)
    waiter = Waiter(report)
    spec = spec_file.load(image, local=local, changes=changes)
    if local:
        home = CloudHome.default()
        with waiter.span("the local cloud"):
            client.up(home, report)
        environment.enter(home, os.environ)
    return spec, Toolbox(session.connect(spec.region), report, waiter)


def _seconds(text: str) -> int:
    found = re.fullmatch(r"(\d+)([smh])", text)
    if found is None:
        raise SpecError(f"--wait {text}: not a time", hint="write it as 90s, 10m or 2h")
    return int(found[1]) * UNITS[found[2]]


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


def _fail(what: str, hint: str | None, exit_code: int, debug: bool) -> NoReturn:
    if debug:
        sys.excepthook(*sys.exc_info())
    print(f"error: {what}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
    sys.exit(exit_code)
