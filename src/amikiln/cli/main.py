"""The command line: how it begins and ends. The one place where errors become text."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from amikiln import __version__
from amikiln.aws.errors import AwsFailure, explain
from amikiln.cli import commands, export
from amikiln.errors import INTERRUPTED_EXIT_CODE, AmikilnError, Interrupted
from amikiln_localcloud.cli import cloud as local_cloud_commands

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Bakes, proves, publishes and rolls out machine images for CI builders.",
)

for verb in commands.ALL:
    app.command()(verb)
app.add_typer(local_cloud_commands, name="cloud")
app.add_typer(export.export, name="export")


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks")] = False,
) -> None:
    """Take the options that stand before the verb."""
    if version:
        print(__version__)
        raise typer.Exit


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


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


def _fail(what: str, hint: str | None, exit_code: int, debug: bool) -> NoReturn:
    if debug:
        sys.excepthook(*sys.exc_info())
    print(f"error: {what}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
    sys.exit(exit_code)
