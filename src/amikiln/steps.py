"""The whole cycle, and what goes with every stage of it: a title, a clock, errors in its name."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from amikiln import lease
from amikiln.aws.errors import AwsFailure, explain
from amikiln.bake import bake
from amikiln.errors import (
    AmikilnError,
    BakeError,
    LeaseError,
    PreflightError,
    PublishError,
    RolloutError,
    VerifyError,
)
from amikiln.model import GroupTurnover, Image, Outcome, Plan, Published, Run, Verdict
from amikiln.plan import plan
from amikiln.preflight import preflight
from amikiln.publish import publish
from amikiln.recipe.own import OwnFiles
from amikiln.rollout import turn_over
from amikiln.spec import Spec
from amikiln.sweep import sweep
from amikiln.toolbox import Toolbox
from amikiln.verify import verify


@dataclass
class Timings:
    """Seconds per stage, in the order in which they ran."""

    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Cycle:
    """What one run did."""

    run: Run
    plan: Plan
    image: Image
    verdict: Verdict
    published: Published
    turnover: tuple[GroupTurnover, ...]
    seconds: dict[str, float]


def new_run(image_name: str) -> Run:
    """Return a run with an id of its own, which begins with the image's name and the time."""
    now = datetime.now(UTC)
    return Run(f"{image_name}-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}", image_name)


def cycle(
    spec: Spec,
    own: OwnFiles,
    run: Run,
    tools: Toolbox,
    verdict_file: Path,
    *,
    keep_on_error: bool = False,
) -> Cycle:
    """Plan, bake, verify, publish, turn over: from a spec to the image that new machines use.

    Args:
        spec: What is wanted.
        own: What lies beside the spec.
        run: This run.
        tools: Where and how.
        verdict_file: Where the verdict is kept as JSON.
        keep_on_error: Leave a machine whose recipe failed for somebody to look at.

    Raises:
        AmikilnError: The stage's own kind of it, which carries the exit code.
    """
    times = Timings()
    with _stage("plan", PreflightError, tools, times):
        planned = plan(spec, own, tools)
        tools.report.line(f"inputs {planned.digest[:12]}, source {planned.source.id}")
        preflight(planned, run, tools)
    with (
        _named_by_aws(LeaseError, tools),
        lease.held(
            tools.cloud.parameters,
            spec.lease_path,
            run,
            spec.deadlines.lease_seconds,
            tools.report,
        ) as held,
    ):
        with _stage("sweep", PreflightError, tools, times):
            sweep(run, planned, tools)
        with _stage("bake", BakeError, tools, times):
            image = bake(planned, run, tools, keep_on_error=keep_on_error)
        with _stage("verify", VerifyError, tools, times):
            verdict = verify(image, planned, run, tools)
            _keep(verdict_file, verdict.to_json())
            _require_pass(verdict, verdict_file)
        with _stage("publish", PublishError, tools, times):
            published = publish(verdict, image, planned, held, tools)
        with _stage("turn over", RolloutError, tools, times):
            turnover = turn_over(spec, image.id, tools)
    return Cycle(run, planned, image, verdict, published, turnover, times.seconds)


def record(done: Cycle, file: Path) -> None:
    """Keep what a run did, as history to read; no decision is ever read from it."""
    summary = asdict(done) | {"plan": {"digest": done.plan.digest, "source": done.plan.source.id}}
    _keep(file, json.dumps(summary, indent=2))


def _require_pass(verdict: Verdict, verdict_file: Path) -> None:
    if verdict.outcome is not Outcome.PASS:
        open_checks = [check for check in verdict.checks if check.outcome is not Outcome.PASS]
        raise VerifyError(
            f"{verdict.image_id} did not prove itself: "
            + "; ".join(f"{check.name}: {check.evidence}" for check in open_checks),
            hint=f"the whole verdict is in {verdict_file}; the pointer was not moved",
        )


def _keep(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + "\n", encoding="utf-8")


@contextmanager
def _stage(title: str, kind: type[AmikilnError], tools: Toolbox, times: Timings) -> Iterator[None]:
    tools.report.group(title)
    began = time.monotonic()
    try:
        with _named_by_aws(kind, tools):
            yield
    finally:
        times.seconds[title] = round(time.monotonic() - began, 1)


@contextmanager
def _named_by_aws(kind: type[AmikilnError], tools: Toolbox) -> Iterator[None]:
    """Give errors that know no stage the stage's kind, and with it its exit code."""
    try:
        yield
    except AwsFailure as error:
        what, hint = explain(error)
        raise kind(f"{what} (region {tools.cloud.region})", hint=hint) from error
    except AmikilnError as error:
        if error.exit_code != AmikilnError.exit_code:
            raise
        raise kind(error.what, hint=error.hint) from error
