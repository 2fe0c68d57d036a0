"""The command line's verbs for images: what each takes, does and prints."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from amikiln import pipeline
from amikiln.catalog.pointer import Pointer
from amikiln.cli import output
from amikiln.cli.options import (
    NO_CHANGES,
    NO_WAIT,
    Ami,
    Changes,
    ImageDirectory,
    Json,
    KeepOnError,
    KeepResult,
    KeepVerdict,
    LeaseWait,
    Local,
    SecretsFd,
    seconds_of,
)
from amikiln.cli.prepare import STARTED, prepared
from amikiln.errors import AmikilnError
from amikiln.plan.resolve import plan as make_plan
from amikiln.publish.proof import choose_proof
from amikiln.report.status import read_status
from amikiln.rollout.rollout import roll_out
from amikiln.runtime import directories
from amikiln.spec import own_files

Found = TypeVar("Found")


def plan(
    image: ImageDirectory,
    local: Local = False,
    changes: Changes = NO_CHANGES,
    as_json: Json = False,
) -> None:
    """Show what a run would do, with everything resolved. Writes nothing."""
    spec, session = prepared(image, local, changes)
    planned = make_plan(spec, own_files.read(image), session)
    _show(planned, as_json, output.print_plan)


def run(
    image: ImageDirectory,
    local: Local = False,
    changes: Changes = NO_CHANGES,
    as_json: Json = False,
    verdict: KeepVerdict = None,
    keep_on_error: KeepOnError = False,
    secrets_fd: SecretsFd = None,
    lease_wait: LeaseWait = NO_WAIT,
    rebake: Annotated[
        bool,
        typer.Option("--rebake", help="Bake even if there is a young image of the same inputs"),
    ] = False,
) -> None:
    """Bake an image, prove it, publish it, and see the fleet follow."""
    spec, session = prepared(image, local, changes, secrets_fd, lease_wait)
    this_run = pipeline.new_run(spec.name)
    folder = directories.state_directory() / "runs" / this_run.id
    done = pipeline.run(
        spec,
        own_files.read(image),
        this_run,
        session,
        verdict or folder / "verdict.json",
        keep_on_error=keep_on_error,
        rebake=rebake,
    )
    controller_seconds = time.monotonic() - STARTED - session.waiter.waited_seconds()
    pipeline.write_result(done, folder / "result.json")
    if as_json:
        output.print_json({"cycle": done, "controller_seconds": round(controller_seconds, 2)})
    else:
        output.print_cycle(done, controller_seconds)


def bake(
    image: ImageDirectory,
    local: Local = False,
    changes: Changes = NO_CHANGES,
    as_json: Json = False,
    result: KeepResult = None,
    keep_on_error: KeepOnError = False,
    secrets_fd: SecretsFd = None,
    lease_wait: LeaseWait = NO_WAIT,
) -> None:
    """Bake an image and leave it unjudged; `run` or `verify` takes it up."""
    spec, session = prepared(image, local, changes, secrets_fd, lease_wait)
    this_run = pipeline.new_run(spec.name)
    done = pipeline.bake_image(
        spec, own_files.read(image), this_run, session, keep_on_error=keep_on_error
    )
    _show(done, as_json, output.print_baked, result)


def verify(
    image: ImageDirectory,
    ami: Ami,
    local: Local = False,
    changes: Changes = NO_CHANGES,
    as_json: Json = False,
    verdict: KeepVerdict = None,
    secrets_fd: SecretsFd = None,
    lease_wait: LeaseWait = NO_WAIT,
) -> None:
    """Boot a machine from an image, and see whether builds on it are warm and nothing is secret."""
    spec, session = prepared(image, local, changes, secrets_fd, lease_wait)
    this_run = pipeline.new_run(spec.name)
    file = verdict or directories.state_directory() / "runs" / this_run.id / "verdict.json"
    found = pipeline.verify_image(spec, own_files.read(image), ami, this_run, session, file)
    if as_json:
        print(found.content.decode(), end="")
    else:
        output.print_verdict(found.verdict, file)
    pipeline.require_pass(found.verdict, file)


def publish(
    image: ImageDirectory,
    ami: Ami,
    local: Local = False,
    as_json: Json = False,
    result: KeepResult = None,
    verdict: Annotated[
        Path | None, typer.Option(help="The image's passing verdict", dir_okay=False)
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Publish without proof; needs --reason")
    ] = False,
    reason: Annotated[
        str | None,
        typer.Option(help="Why without proof: kept on the image, and shown by `status`"),
    ] = None,
    lease_wait: LeaseWait = NO_WAIT,
) -> None:
    """Let the pointer name an image that is proven already, or is forced."""
    proof = choose_proof(ami, verdict, force, reason)
    spec, session = prepared(image, local, lease_wait=lease_wait)
    published = pipeline.publish_image(spec, ami, proof, pipeline.new_run(spec.name), session)
    _show(published, as_json, output.print_published, result)


def rollout(
    image: ImageDirectory,
    local: Local = False,
    as_json: Json = False,
    wait: Annotated[
        str, typer.Option(help="Wait until all machines run the published image, as 90s, 10m, 2h")
    ] = NO_WAIT,
) -> None:
    """Show which machines run the published image, and wait for the others to end their jobs."""
    wait_seconds = seconds_of(wait, "--wait")
    spec, session = prepared(image, local)
    pointer = Pointer(spec, session).read()
    if pointer is None:
        raise AmikilnError(f"{spec.pointer} names no image yet", hint="`amikiln run` publishes one")
    groups = roll_out(spec, pointer.value, session, wait_seconds=wait_seconds)
    _show(groups, as_json, output.print_groups)


def status(image: ImageDirectory, local: Local = False, as_json: Json = False) -> None:
    """Show the pointer, the images and the machines."""
    spec, session = prepared(image, local)
    found = read_status(spec, session)
    _show(found, as_json, output.print_status)


def _show(
    found: Found,
    as_json: bool,
    print_table: Callable[[Found], None],
    result: Path | None = None,
) -> None:
    if result is not None:
        pipeline.write_file(result, output.as_json(found).encode() + b"\n")
    if as_json:
        output.print_json(found)
    else:
        print_table(found)


ALL = (plan, run, bake, verify, publish, rollout, status)
"""In the order in which --help lists them."""
