"""The whole run, from a spec to the image that new machines use, and its stages on their own."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from amikiln.aws.errors import AwsFailure, convert
from amikiln.bake.bake import bake
from amikiln.catalog import images as catalog
from amikiln.catalog.fate import tell_fate
from amikiln.catalog.images import CatalogImage, ProvenImage
from amikiln.catalog.lease import Lease, hold_lease, wait_until_free
from amikiln.errors import (
    AmikilnError,
    BakeError,
    LeaseError,
    PreflightError,
    PublishError,
    RolloutError,
    VerifyError,
)
from amikiln.model.fleet import FleetGroup
from amikiln.model.image import Image, PublishResult
from amikiln.model.plan import Command, Plan
from amikiln.model.plan_file import PlanFile
from amikiln.model.result import BakeResult, RunResult
from amikiln.model.run import Run
from amikiln.model.verdict import VerdictFile
from amikiln.plan.preflight import preflight
from amikiln.plan.resolve import plan
from amikiln.plan.reuse import require_planned, use_plan
from amikiln.publish.publish import Proof, publish
from amikiln.recipe.digest import hash_proof
from amikiln.retire.sweep import sweep
from amikiln.rollout.rollout import roll_out
from amikiln.runtime.files import write_file
from amikiln.session import Session
from amikiln.spec.load import ImageFolder
from amikiln.spec.spec import Spec
from amikiln.verify.verify import require_pass, verify

STAGES_OF_AN_IMAGE = ("bake", "verify", "publish")
"""What a run may skip."""


def new_run(image_name: str) -> Run:
    """Return a run with an id of its own, which begins with the image's name and the time."""
    return Run(f"{image_name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{token_hex(3)}", image_name)


def run(
    folder: ImageFolder,
    this_run: Run,
    session: Session,
    verdict_file: Path,
    *,
    plan_file: PlanFile | None = None,
    keep_on_error: bool = False,
    rebake: bool = False,
) -> RunResult:
    """Plan, bake, verify, publish, roll out: from a spec to the image that new machines use.

    Args:
        folder: What is wanted.
        this_run: Its id is on everything that is made.
        session: Where and how.
        verdict_file: Where the verdict is written as JSON.
        plan_file: A plan that was made earlier; None: plan now.
        keep_on_error: Leave a machine whose recipe failed running, for somebody to look at.
        rebake: Bake even if there is a recent image of the same inputs.

    Raises:
        AmikilnError: A stage failed; the kind of error, and its exit code, say which.
    """
    stages, spec = _Stages(this_run, session), folder.spec
    plan = stages.plan(folder, plan_file, "run")
    with stages.hold_lease(spec) as lease:
        images = stages.sweep(plan)
        usable = [] if rebake else images
        proven = stages.find_proven(plan, usable)
        verdict, published = None, proven.published if proven else None
        image = proven.image if proven else stages.bake(plan, usable, keep_on_error)
        if published is None:
            proof = stages.verify(image, plan, verdict_file)
            verdict = proof.verdict
            require_pass(verdict, verdict_file, spec, session)
            published = stages.publish(proof, image, spec, plan.proof_digest, lease)
        first = verdict is not None and published.version == 1  # nothing launches from it yet
        groups = stages.roll_out(image, spec, first)
    skipped = tuple(stage for stage in STAGES_OF_AN_IMAGE if stage not in stages.seconds)
    rest = (stages.seconds, skipped, proven.explain() if proven else "", tuple(stages.missing))
    return RunResult(this_run, plan, image, verdict, published, groups, *rest)


def bake_image(
    folder: ImageFolder,
    this_run: Run,
    session: Session,
    *,
    plan_file: PlanFile | None = None,
    keep_on_error: bool = False,
) -> BakeResult:
    """Plan and bake. The next ``run`` verifies and publishes this image.

    Args:
        folder: What is wanted.
        this_run: Its id is on everything that is made.
        session: Where and how.
        plan_file: A plan that was made earlier; None: plan now.
        keep_on_error: Leave a machine whose recipe failed running, for somebody to look at.

    Raises:
        AmikilnError: A stage failed; the kind of error, and its exit code, say which.
    """
    stages = _Stages(this_run, session)
    plan = stages.plan(folder, plan_file, "bake")
    with stages.hold_lease(folder.spec):
        images = stages.sweep(plan)
        image = stages.bake(plan, images, keep_on_error)
    return BakeResult(this_run, plan.digest, image, stages.seconds)


def verify_image(
    folder: ImageFolder,
    image_id: str,
    this_run: Run,
    session: Session,
    verdict_file: Path,
    *,
    plan_file: PlanFile | None = None,
) -> VerdictFile:
    """Verify an image that exists already, whatever was found out about it before.

    Args:
        folder: Whose image it is, and what has to be proven.
        image_id: The AMI.
        this_run: Its id is on everything that is made.
        session: Where and how.
        verdict_file: Where the verdict is written as JSON.
        plan_file: The plan that it was baked from; None: plan now.

    Returns:
        The verdict, pass or not.

    Raises:
        AmikilnError: A stage failed; the kind of error, and its exit code, say which.
    """
    stages = _Stages(this_run, session)
    plan = stages.plan(folder, plan_file, "verify")
    with stages.hold_lease(folder.spec):
        image = stages.find_image(image_id, folder.spec, VerifyError)
        if plan_file is not None:
            require_planned(image, plan_file)
        return stages.verify(image, plan, verdict_file)


def publish_image(
    folder: ImageFolder,
    image_id: str,
    proof: Proof,
    this_run: Run,
    session: Session,
    *,
    plan_file: PlanFile | None = None,
) -> PublishResult:
    """Publish an image that exists already.

    Args:
        folder: Whose image it is; names the pointer, and says what has to be proven today.
        image_id: The AMI.
        proof: Its passing verdict, or the reason for publishing it without one.
        this_run: Holds the lease meanwhile.
        session: Where.
        plan_file: The plan that it has to be baked and verified with; None: any.

    Raises:
        AmikilnError: A stage failed; the kind of error, and its exit code, say which.
    """
    stages, spec = _Stages(this_run, session), folder.spec
    today = hash_proof(spec, folder.checks)
    with stages.hold_lease(spec) as lease:
        image = stages.find_image(image_id, spec, PublishError)
        if plan_file is not None:
            require_planned(image, plan_file, proof)
        return stages.publish(proof, image, spec, today, lease)


def write_result(result: RunResult, file: Path) -> None:
    """Write what a run did to a file, for people to read; no decision is ever read from it."""
    plan = {"digest": result.plan.digest, "source": result.plan.source.id}
    shown = asdict(result) | {"plan": plan, "not_asked": result.plan.spec.not_asked}
    write_file(file, json.dumps(shown, indent=2).encode() + b"\n")


class _Stages:
    """One run's stages, each with its title and its time, and its own kind of error.

    Attributes:
        seconds: How long each stage took that ran, in their order.
        missing: What of [fleet] is not there.
    """

    def __init__(self, this_run: Run, session: Session) -> None:
        self.seconds: dict[str, float] = {}
        self.missing: list[str] = []
        self._run = this_run
        self._session = session

    def plan(self, folder: ImageFolder, file: PlanFile | None, command: Command) -> Plan:
        with self._run_stage("plan", PreflightError):
            session = self._session
            if file is not None:
                session.report.line(file.describe())
            planned = use_plan(file, folder, session) if file else plan(folder, session)
            self._session.report.line(f"inputs {planned.digest[:12]}, source {planned.source.id}")
            preflight(planned, self._run, self._session, command)
            return planned

    @contextmanager
    def hold_lease(self, spec: Spec) -> Iterator[Lease]:
        parameters, waiter = self._session.cloud.parameters, self._session.waiter
        term, patience = spec.deadlines.lease_seconds, self._session.lease_wait_seconds
        with self._raise_as(LeaseError):
            if patience:
                wait_until_free(parameters, spec.lease_path, waiter, patience)
            lock = hold_lease(parameters, spec.lease_path, self._run, term, waiter, spec.tags)
            with lock as lease:
                yield lease

    def sweep(self, plan: Plan) -> list[CatalogImage]:
        with self._run_stage("sweep", PreflightError):
            images = catalog.list_images(plan.spec.name, self._session)
            sweep(self._run, plan, images, self._session)
            return images

    def find_proven(self, plan: Plan, images: list[CatalogImage]) -> ProvenImage | None:
        with self._raise_as(PreflightError):
            found = catalog.find_proven(plan, images, self._session)
        if found is not None:
            self._session.report.line(found.explain())
        return found

    def find_image(self, image_id: str, spec: Spec, kind: type[AmikilnError]) -> Image:
        with self._raise_as(kind):
            found = catalog.find_image(image_id, spec, self._session)
            return found.to_image(self._session.cloud.region)

    def bake(self, plan: Plan, images: list[CatalogImage], keep_on_error: bool) -> Image:
        with self._run_stage("bake", BakeError):
            reusable = catalog.find_reusable(plan, images)
            return bake(
                plan, self._run, self._session, reusable=reusable, keep_on_error=keep_on_error
            )

    def verify(self, image: Image, plan: Plan, verdict_file: Path) -> VerdictFile:
        with self._run_stage("verify", VerifyError), tell_fate(image.id, plan.spec, self._session):
            proof = verify(image, plan, self._run, self._session)
            write_file(verdict_file, proof.content)
            return proof

    def publish(
        self, proof: Proof, image: Image, spec: Spec, proof_digest: str, lease: Lease
    ) -> PublishResult:
        with self._run_stage("publish", PublishError):
            return publish(proof, image, spec, proof_digest, lease, self._session)

    def roll_out(self, image: Image, spec: Spec, first: bool) -> tuple[FleetGroup, ...]:
        with self._run_stage("roll out", RolloutError):
            tell_missing = self.missing.append if first else None
            return roll_out(spec, image.id, self._session, tell_missing=tell_missing)

    @contextmanager
    def _run_stage(self, title: str, kind: type[AmikilnError]) -> Iterator[None]:
        self._session.report.group(title)
        began = time.monotonic()
        try:
            with self._raise_as(kind):
                yield
        finally:
            self.seconds[title] = round(time.monotonic() - began, 1)

    @contextmanager
    def _raise_as(self, kind: type[AmikilnError]) -> Iterator[None]:
        """Turn boto3's errors, and those of no stage, into the stage's kind with its exit code."""
        try:
            yield
        except AwsFailure as error:
            raise convert(error, kind, self._session.cloud.region) from error
        except AmikilnError as error:
            if error.exit_code != AmikilnError.exit_code:
                raise
            raise kind(error.what, hint=error.hint) from error
