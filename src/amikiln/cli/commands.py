"""The commands that work on images: what each takes, does and prints.

What takes long to import is imported by the command that needs it: see benchmarks/startup.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

import amikiln
from amikiln.cli.doctor import doctor
from amikiln.cli.look import rollout, show, status
from amikiln.cli.options import (
    NO_CHANGES,
    NO_FILES,
    NO_WAIT,
    AmiAfterImage,
    BakeFiles,
    Changes,
    ImageDirectory,
    Json,
    KeepOnError,
    LeaseWait,
    Local,
    PlannedImage,
    PlanPath,
    ResultFile,
    SecretsFd,
    VerdictFile,
)
from amikiln.cli.prepare import STARTED, choose_ami, open_plan, prepare
from amikiln.errors import PreflightError


def plan(
    image: ImageDirectory,
    local: Local = False,
    changes: Changes = NO_CHANGES,
    bake_files: BakeFiles = NO_FILES,
    as_json: Json = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write the plan to this file, for --plan", dir_okay=False
        ),
    ] = None,
    secrets_fd: SecretsFd = None,
) -> None:
    """Show what a run would do; changes nothing.

    Every name, tag and version is resolved as a run would resolve it. What --out writes is the
    plan that `bake`, `verify` and `run` use with --plan.

    \b
    Example:
      amikiln plan images/rust-build --set volume.size_gib=80
      amikiln plan images/rust-build --out plan.json
    """
    from amikiln.aws.errors import AwsFailure, convert
    from amikiln.cli import output
    from amikiln.model.plan_file import hash_plan, serialize
    from amikiln.plan.preflight import check_plan
    from amikiln.plan.room import find_room_fault
    from amikiln.plan.this_machine import check_this_machine
    from amikiln.runtime.files import write_file

    folder, session = prepare(image, local, changes, secrets_fd, bake_files=bake_files)
    try:
        planned = amikiln.make_plan(folder, session)
        of_plan = list(check_plan(planned, session))
    except AwsFailure as error:
        raise convert(error, PreflightError, session.cloud.region) from error
    if as_json:
        print(serialize(planned).decode(), end="")
    else:
        output.print_plan(planned)
    if fault := find_room_fault(planned):
        raise PreflightError(fault, hint="raise volume.size_gib, or put less into the image")
    if faults := [*check_this_machine(planned, session), *of_plan]:
        raise PreflightError("\n".join(faults))
    if out is not None:
        write_file(out, serialize(planned))
        session.report.line(f"wrote the plan to {out}: its SHA-256 is {hash_plan(planned)}")
        longest, baking = planned.spec.plan.max_age_hours, planned.longest("bake").seconds / 3600
        if longest < baking:
            session.report.line(
                f"plan.max_age_hours is {longest:g}, and a bake may take {baking:.1f} h: after a"
                " long one, verify will refuse this plan"
            )


def run(
    image: PlannedImage = None,
    local: Local = False,
    changes: Changes = NO_CHANGES,
    bake_files: BakeFiles = NO_FILES,
    plan: PlanPath = None,
    as_json: Json = False,
    verdict: VerdictFile = None,
    keep_on_error: KeepOnError = False,
    secrets_fd: SecretsFd = None,
    lease_wait: LeaseWait = NO_WAIT,
    rebake: Annotated[
        bool,
        typer.Option("--rebake", help="Bake even if a recent image has the same inputs"),
    ] = False,
) -> None:
    """Bake, verify, publish and roll out an image.

    What is done already is not done again: a recent image of the same inputs is reused.

    \b
    Example:
      amikiln run images/rust-build --lease-wait 20m
      amikiln run --plan plan.json
    """
    from amikiln.cli import output
    from amikiln.pipeline import write_result
    from amikiln.runtime.files import write_file

    plan_file = open_plan(plan)
    folder, session = prepare(image, local, changes, secrets_fd, lease_wait, plan_file, bake_files)
    this_run = amikiln.new_run(folder.spec.name)
    files = _run_folder(this_run)
    result = amikiln.run(
        folder,
        this_run,
        session,
        verdict or files / "verdict.json",
        plan_file=plan_file,
        keep_on_error=keep_on_error,
        rebake=rebake,
    )
    controller_seconds = time.monotonic() - STARTED - session.waiter.waited_seconds()
    write_result(result, files / "result.json")
    # The one that the verdict names.
    write_file(files / "plan.json", amikiln.serialize_plan(result.plan))
    if as_json:
        # "cycle" is what a result was called at first: people parse it.
        output.print_json({"cycle": result, "controller_seconds": round(controller_seconds, 2)})
    else:
        output.print_run(result, controller_seconds)


def bake(
    image: PlannedImage = None,
    local: Local = False,
    changes: Changes = NO_CHANGES,
    bake_files: BakeFiles = NO_FILES,
    plan: PlanPath = None,
    as_json: Json = False,
    result: ResultFile = None,
    keep_on_error: KeepOnError = False,
    secrets_fd: SecretsFd = None,
    lease_wait: LeaseWait = NO_WAIT,
) -> None:
    """Bake an image; do not verify or publish it.

    The next `run` goes on with it, or `verify` and `publish` do.

    \b
    Example:
      amikiln bake images/rust-build --result bake.json
    """
    from amikiln.cli import output

    plan_file = open_plan(plan)
    folder, session = prepare(image, local, changes, secrets_fd, lease_wait, plan_file, bake_files)
    this_run = amikiln.new_run(folder.spec.name)
    baked = amikiln.bake_image(
        folder, this_run, session, plan_file=plan_file, keep_on_error=keep_on_error
    )
    show(baked, as_json, output.print_bake, result)


def verify(
    image: PlannedImage = None,
    ami: AmiAfterImage = None,
    local: Local = False,
    changes: Changes = NO_CHANGES,
    bake_files: BakeFiles = NO_FILES,
    plan: PlanPath = None,
    as_json: Json = False,
    verdict: VerdictFile = None,
    secrets_fd: SecretsFd = None,
    lease_wait: LeaseWait = NO_WAIT,
) -> None:
    """Boot a machine from an image and check it.

    Builds have to be warm, and no secret may be in it. Exit code 5: it did not pass.

    \b
    Example:
      amikiln verify images/rust-build ami-0123456789abcdef0 \\
        --verdict verdict.json
    """
    from amikiln.cli import output
    from amikiln.verify.verify import require_pass

    image, ami = choose_ami(image, ami, plan)
    plan_file = open_plan(plan)
    folder, session = prepare(image, local, changes, secrets_fd, lease_wait, plan_file, bake_files)
    this_run = amikiln.new_run(folder.spec.name)
    file = verdict or _run_folder(this_run) / "verdict.json"
    proof = amikiln.verify_image(folder, ami, this_run, session, file, plan_file=plan_file)
    if as_json:
        print(proof.content.decode(), end="")
    else:
        output.print_verdict(proof.verdict, file)
    require_pass(proof.verdict, file, folder.spec, session)


def publish(
    image: PlannedImage = None,
    ami: AmiAfterImage = None,
    local: Local = False,
    changes: Changes = NO_CHANGES,
    plan: PlanPath = None,
    as_json: Json = False,
    result: ResultFile = None,
    verdict: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The image's passing verdict", dir_okay=False),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Publish without proof; needs --reason")
    ] = False,
    reason: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Why without proof: tagged on the image, and shown by `status`"
        ),
    ] = None,
    lease_wait: LeaseWait = NO_WAIT,
) -> None:
    """Let new machines use an image.

    It needs the verdict of an image that passed, or --force and a reason.

    \b
    Example:
      amikiln publish images/rust-build \\
        ami-0123456789abcdef0 --verdict verdict.json
    """
    from amikiln.cli import output
    from amikiln.publish.proof import choose_proof

    image, ami = choose_ami(image, ami, plan)
    proof, plan_file = choose_proof(ami, verdict, force, reason), open_plan(plan)
    folder, session = prepare(image, local, changes, None, lease_wait, plan_file)
    this_run = amikiln.new_run(folder.spec.name)
    published = amikiln.publish_image(folder, ami, proof, this_run, session, plan_file=plan_file)
    show(published, as_json, output.print_publish, result)


def _run_folder(this_run: amikiln.Run) -> Path:
    """Return where a run's verdict and result are written."""
    from amikiln.runtime import directories

    return directories.state_directory() / "runs" / this_run.id


ALL = (plan, run, bake, verify, publish, rollout, status, doctor)
"""In the order in which --help lists them."""
