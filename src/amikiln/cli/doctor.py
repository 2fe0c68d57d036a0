"""The command ``amikiln doctor``: everything is looked at, whatever is missing before it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amikiln.cli.local_cloud import find_local_cloud
from amikiln.cli.options import Json, Local
from amikiln.errors import AmikilnError, PreflightError

if TYPE_CHECKING:
    from amikiln.doctor.finding import Found


def doctor(
    image: Annotated[
        Path | None,
        typer.Argument(help="The image's directory, such as images/cpu-build", show_default=False),
    ] = None,
    local: Local = False,
    as_json: Json = False,
) -> None:
    """Show what is missing, and what mends it.

    Looks at this machine, the account and, with an image, its spec; changes nothing. Exit code 3:
    something is missing.

    \b
    Example:
      amikiln doctor images/rust-build
      amikiln doctor images/rust-build --local
    """
    found = _look(image, local)
    if as_json:
        from amikiln.cli import output

        output.print_json(found)
    else:
        for one in found:
            print(f"{one.level:8} {one.what}: {one.says}")
            if one.mend:
                print(f"{'':8} -> {one.mend}")
    if missing := [one.what for one in found if one.level == "missing"]:
        raise PreflightError(f"missing: {', '.join(missing)}", hint="each says what mends it")


def _look(image: Path | None, local: bool) -> list[Found]:
    import amikiln
    from amikiln.aws.errors import AwsFailure, explain
    from amikiln.cli.prepare import describe_surroundings
    from amikiln.doctor.account import look_at_account
    from amikiln.doctor.finding import Found, Level
    from amikiln.doctor.machine import look_at_machine
    from amikiln.plan.preflight import check_plan
    from amikiln.runtime import directories
    from amikiln.runtime.progress import reporter_for_stderr

    def missing(what: str, error: AmikilnError) -> Found:
        return Found(what, Level.MISSING, error.what, error.hint or "")

    folder, session, of_spec = None, None, []
    if image is not None:
        try:
            folder = amikiln.load(image, local=local)
        except AmikilnError as error:
            of_spec.append(missing("spec", error))
    connect = folder.spec.network.connect if folder is not None else "auto"
    found = list(look_at_machine(connect == "session-manager", directories.cache_directory()))
    report = reporter_for_stderr()
    try:
        if local:
            find_local_cloud().enter(report)
        region = folder.spec.region if folder is not None else _choose_region()
        session = amikiln.open_session(region, report)
        found += look_at_account(session.cloud)
    except AmikilnError as error:
        found.append(missing("account", error))
    if session is not None and not local:
        for remark in describe_surroundings(session.cloud, os.environ):
            found.append(Found("environment", Level.WARNING, remark))
    if folder is not None and session is not None:
        try:
            planned = amikiln.make_plan(folder, session)
            faults = list(check_plan(planned, session))
            of_spec += [Found("plan", Level.MISSING, fault, "see image.toml") for fault in faults]
        except AmikilnError as error:
            of_spec.append(missing("plan", error))
        except AwsFailure as error:
            what, hint = explain(error)
            of_spec.append(Found("plan", Level.MISSING, f"cannot tell: {what}", hint or ""))
    if folder is not None and not of_spec:
        says = f"{folder.directory / folder.file_name} has no fault"
        says += " and can be planned" if session is not None else "; whether it can be planned"
        if session is None:
            says += " cannot be told without an account"
        of_spec.append(Found("spec", Level.OK, says))
    return [*found, *of_spec]


def _choose_region() -> str:
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
