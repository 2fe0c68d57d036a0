"""The whole cycle, and its parts that are verbs of their own: what runs, in which order."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from amikiln.errors import PublishError, VerifyError
from amikiln.model.image import Forced, Published
from amikiln.model.result import Baked, Cycle
from amikiln.model.run import Run
from amikiln.model.verdict import VerdictFile
from amikiln.session import Session
from amikiln.spec.own_files import OwnFiles
from amikiln.spec.spec import Spec
from amikiln.stages import Stages, keep, require_pass, why_skipped

STAGES_OF_AN_IMAGE = ("bake", "verify", "publish")
"""What a cycle may skip."""


def new_run(image_name: str) -> Run:
    """Return a run with an id of its own, which begins with the image's name and the time."""
    now = datetime.now(UTC)
    return Run(f"{image_name}-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}", image_name)


def cycle(
    spec: Spec,
    own: OwnFiles,
    run: Run,
    session: Session,
    verdict_file: Path,
    *,
    keep_on_error: bool = False,
    rebake: bool = False,
) -> Cycle:
    """Plan, bake, verify, publish, turn over: from a spec to the image that new machines use.

    Args:
        spec: What is wanted.
        own: What lies beside the spec.
        run: This run.
        session: Where and how.
        verdict_file: Where the verdict is kept as JSON.
        keep_on_error: Leave a machine whose recipe failed for somebody to look at.
        rebake: Bake even if there is a young image of the same inputs.

    Raises:
        AmikilnError: The stage's own kind of it, which carries the exit code.
    """
    stages = Stages(run, session)
    plan = stages.plan(spec, own)
    with stages.lease(spec) as held:
        stages.sweep(plan)
        proven = None if rebake else stages.proven(plan)
        verdict, published = None, proven.published if proven else None
        image = proven.image if proven else stages.bake(plan, keep_on_error, rebake)
        if published is None:
            proof = stages.verify(image, plan, verdict_file)
            verdict = proof.verdict
            require_pass(verdict, verdict_file)
            published = stages.publish(proof, image, spec, held)
        turnover = stages.turn_over(image, spec)
    skipped = tuple(stage for stage in STAGES_OF_AN_IMAGE if stage not in stages.seconds)
    because = why_skipped(proven) if proven else ""
    return Cycle(run, plan, image, verdict, published, turnover, stages.seconds, skipped, because)


def bake_alone(
    spec: Spec,
    own: OwnFiles,
    run: Run,
    session: Session,
    *,
    keep_on_error: bool = False,
) -> Baked:
    """Plan and bake: the image stays unjudged, and the next cycle takes it up.

    Args:
        spec: What is wanted.
        own: What lies beside the spec.
        run: This run.
        session: Where and how.
        keep_on_error: Leave a machine whose recipe failed for somebody to look at.

    Raises:
        AmikilnError: The stage's own kind of it.
    """
    stages = Stages(run, session)
    plan = stages.plan(spec, own)
    with stages.lease(spec):
        stages.sweep(plan)
        image = stages.bake(plan, keep_on_error)
    return Baked(run, plan.digest, image, stages.seconds)


def verify_alone(
    spec: Spec, own: OwnFiles, image_id: str, run: Run, session: Session, verdict_file: Path
) -> VerdictFile:
    """Judge an image that is there already, whatever its tags mean by now.

    Args:
        spec: Whose image it is, and what it has to prove.
        own: What lies beside the spec.
        image_id: The AMI.
        run: This run.
        session: Where and how.
        verdict_file: Where the verdict is kept as JSON.

    Returns:
        The verdict, pass or not.

    Raises:
        AmikilnError: The stage's own kind of it.
    """
    stages = Stages(run, session)
    plan = stages.plan(spec, own)
    with stages.lease(spec):
        image = stages.named(image_id, spec, VerifyError)
        return stages.verify(image, plan, verdict_file)


def publish_alone(
    spec: Spec, image_id: str, proof: VerdictFile | Forced, run: Run, session: Session
) -> Published:
    """Publish an image that is there already.

    Args:
        spec: Whose image it is; names the pointer.
        image_id: The AMI.
        proof: Its passing verdict, or somebody's word instead.
        run: This run.
        session: Where.

    Raises:
        AmikilnError: The stage's own kind of it.
    """
    stages = Stages(run, session)
    with stages.lease(spec) as held:
        return stages.publish(proof, stages.named(image_id, spec, PublishError), spec, held)


def record(done: Cycle, file: Path) -> None:
    """Keep what a run did, as history to read; no decision is ever read from it."""
    summary = asdict(done) | {"plan": {"digest": done.plan.digest, "source": done.plan.source.id}}
    keep(file, json.dumps(summary, indent=2) + "\n")
