"""What a command needs before it starts: the spec, and a session with the cloud."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from amikiln.cli.local_cloud import find_local_cloud
from amikiln.cli.options import NO_WAIT, parse_time
from amikiln.errors import PreflightError, SpecError

if TYPE_CHECKING:
    from amikiln import ImageFolder, Session
    from amikiln.aws.connect import Cloud
    from amikiln.model.plan_file import PlanFile

STARTED = time.monotonic()


def choose_ami(image: Path | None, ami: str | None, plan: Path | None) -> tuple[Path | None, str]:
    """Return the image's directory, which may be left out with a plan, and the AMI's id.

    Args:
        image: The first of the command's words.
        ami: The second.
        plan: The file of --plan.

    Raises:
        SpecError: One is missing.
    """
    if ami is None and plan is not None and image is not None:
        return None, str(image)
    if ami is None:
        raise SpecError(
            "the AMI's id is missing",
            hint="give the image's directory and the id, or --plan FILE and the id",
        )
    return image, ami


def open_plan(path: Path | None) -> PlanFile | None:
    """Return the plan of --plan; None without one.

    Raises:
        PreflightError: It is not a plan as `amikiln plan` wrote it.
    """
    if path is None:
        return None
    from amikiln import read_plan

    return read_plan(path)


def prepare(
    image: Path | None,
    local: bool,
    changes: Sequence[str] = (),
    secrets_fd: int | None = None,
    lease_wait: str = NO_WAIT,
    plan_file: PlanFile | None = None,
    bake_files: Sequence[str] = (),
) -> tuple[ImageFolder, Session]:
    """Return an image's folder, and a session to work on it with.

    Args:
        image: The image's directory; None: the one that the plan names.
        local: Use the local cloud, and start it if it is not up.
        changes: Values of the spec for this run alone, as ``table.key=value``.
        secrets_fd: A file descriptor with the warm build's secrets.
        lease_wait: How long to wait for another run of the same image to end, as ``10m``.
        plan_file: What the command was given with --plan. Its changes of the spec are made again.
        bake_files: Bake files that the spec names as given, as ``NAME=PATH``.

    Raises:
        SpecError: There is neither an image nor a plan; or the spec is not usable.
        PreflightError: The plan is a local one, and the command is not, or the other way round.
    """
    from amikiln import load, open_session
    from amikiln.cli.secrets import read_secrets
    from amikiln.runtime.progress import reporter_for_stderr
    from amikiln.runtime.wait import Waiter

    if plan_file is not None:
        _check_local(plan_file, local)
        image = image or Path(plan_file.origin.spec_file)
        changes = [*plan_file.origin.changes, *changes]
    if image is None:
        raise SpecError(
            "the image's directory is missing", hint="name it, as images/cpu-build, or --plan FILE"
        )
    lease_wait_seconds = parse_time(lease_wait, "--lease-wait")
    report = reporter_for_stderr(STARTED)
    waiter = Waiter(report)
    folder = load(image, local=local, changes=changes, bake_files=bake_files)
    secrets = read_secrets(secrets_fd) if secrets_fd is not None else {}
    if local:
        cloud = find_local_cloud()
        with waiter.span("the local cloud"):
            cloud.enter(report)
    session = open_session(
        folder.spec.region, report, waiter, secrets=secrets, lease_wait_seconds=lease_wait_seconds
    )
    if not local:
        for remark in describe_surroundings(session.cloud, os.environ):
            report.line(f"warning: {remark}")
    return folder, session


def describe_surroundings(cloud: Cloud, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what of the environment leads elsewhere than the spec, or than to AWS.

    Args:
        cloud: What the command works on, without --local.
        environ: The environment variables.
    """
    if cloud.endpoint is not None:
        where = "AWS" if cloud.name == "aws" else "the local cloud"
        yield (
            f"this works on {where} at {cloud.endpoint}, for so AWS_ENDPOINT_URL says, with"
            " image.toml as it is for AWS; --local uses its [local] tables, and unset"
            " AWS_ENDPOINT_URL leads to AWS"
        )
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if environ.get(name, cloud.region) != cloud.region:
            yield f"{name} is {environ[name]}, and the spec's region {cloud.region} is used"


def _check_local(plan_file: PlanFile, local: bool) -> None:
    """Say it before a cloud is asked: without --local there may be no credentials for one."""
    if plan_file.origin.local != local:
        made, now = ("with", "without") if plan_file.origin.local else ("without", "with")
        raise PreflightError(
            f"the plan {plan_file.path} was made {made} --local, and this command is {now} it: a"
            " plan for the local cloud is none for AWS",
            hint=f"run it {made} --local, or plan again",
        )
