"""The command line: how it begins and ends. The one place where errors become text."""

from __future__ import annotations

import gc
import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from amikiln.cli import commands, export
from amikiln.cli.help import Group
from amikiln.cli.local_cloud import HELP, CloudGroup
from amikiln.errors import INTERRUPTED_EXIT_CODE, AmikilnError, Interrupted
from amikiln.version import __version__

FEW_COLLECTIONS = 300_000
"""New objects between two looks of the garbage collector; Python's own number is 700."""
TEXT = """Bakes, proves, publishes and rolls out machine images for CI builders.

\b
Example:
  amikiln plan images/rust-build
  amikiln run images/rust-build

Environment variables, beside those of the AWS CLI and those that a command's help names:

\b
  AMIKILN_STATE  where logs, verdicts and results are, and
                 the local cloud's data
  AMIKILN_CACHE  where what can be made again is
  CI             set: plain lines, even on a terminal
  COLUMNS        how wide tables and help are
"""

app = Group(TEXT, pretty_exceptions_enable=False)

for command in commands.ALL:
    app.command()(command)
app.add_typer(export.export, name="export")
app.add_typer(Group(HELP, cls=CloudGroup), name="cloud")


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors")] = False,
) -> None:
    """Take the options that stand before the command."""
    if version:
        print(__version__)
        raise typer.Exit


def main() -> NoReturn:
    """Run the command line; every way out of here has a documented exit code."""
    # Importing makes many objects that stay: looking through them again and again for circles that
    # nobody uses takes a fifth of a short command's time.
    gc.set_threshold(FEW_COLLECTIONS)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    debug = "--debug" in sys.argv
    try:
        app(prog_name="amikiln")
    except Interrupted as interrupt:
        left = "; ".join(interrupt.left_behind)
        what = "interrupted; what was made is removed again"
        if left:
            what = f"interrupted twice; left behind: {left}"
        hint = "the next run removes what of it is in the cloud" if left else None
        _fail(what, hint, INTERRUPTED_EXIT_CODE, debug)
    except AmikilnError as error:
        _fail(error.what, error.hint, error.exit_code, debug)
    except Exception as error:
        _fail(*_explain(error), AmikilnError.exit_code, debug)
    sys.exit(0)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


def _explain(error: Exception) -> tuple[str, str | None]:
    """Return what failed and what to do next, for an error that is not one of amikiln's."""
    from amikiln.aws.errors import AwsFailure, explain

    if isinstance(error, AwsFailure):
        return explain(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}", None
    return (
        f"unexpected {type(error).__name__}: {error}",
        "this is a bug in amikiln: run `amikiln --debug ...` and report what it shows",
    )


def _fail(what: str, hint: str | None, exit_code: int, debug: bool) -> NoReturn:
    if debug:
        sys.excepthook(*sys.exc_info())
    print(f"error: {what}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
    sys.exit(exit_code)
