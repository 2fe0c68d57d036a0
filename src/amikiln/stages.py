"""What goes with every stage of a run: a title, a clock, errors in its name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amikiln.aws.errors import AwsFailure, explain
from amikiln.bake.bake import bake
from amikiln.catalog.images import Proven, find_image, find_proven
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
from amikiln.model.image import Forced, Image, Published
from amikiln.model.plan import Plan
from amikiln.model.run import Run
from amikiln.model.verdict import Outcome, Verdict, VerdictFile
from amikiln.plan.preflight import preflight
from amikiln.plan.resolve import plan
from amikiln.publish.publish import publish
from amikiln.retire.sweep import sweep
from amikiln.rollout.rollout import roll_out
from amikiln.session import Session
from amikiln.spec.own_files import OwnFiles
from amikiln.spec.spec import Spec
from amikiln.verify.verify import verify

SECONDS_PER_HOUR = 3600


class Stages:
    """One run's stages, each with its title, its clock, and errors in its name.

    Attributes:
        seconds: How long each stage took that ran, in their order.
    """

    def __init__(self, run: Run, session: Session) -> None:
        self.seconds: dict[str, float] = {}
        self._run = run
        self._session = session

    def plan(self, spec: Spec, own: OwnFiles) -> Plan:
        """Resolve the spec, and check everything that can be checked before anything is made."""
        with self._stage("plan", PreflightError):
            planned = plan(spec, own, self._session)
            self._session.report.line(f"inputs {planned.digest[:12]}, source {planned.source.id}")
            preflight(planned, self._run, self._session)
            return planned

    @contextmanager
    def lease(self, spec: Spec) -> Iterator[Lease]:
        """Hold the image's lease during the block."""
        parameters, term = self._session.cloud.parameters, spec.deadlines.lease_seconds
        patience = self._session.lease_wait_seconds
        with _named_by_aws(LeaseError, self._session):
            if patience:
                wait_until_free(parameters, spec.lease_path, self._session.waiter, patience)
            with hold_lease(
                parameters, spec.lease_path, self._run, term, self._session.report
            ) as lease:
                yield lease

    def sweep(self, plan: Plan) -> None:
        """Remove what dead runs left."""
        with self._stage("sweep", PreflightError):
            sweep(self._run, plan, self._session)

    def proven(self, plan: Plan) -> Proven | None:
        """Look for an image that makes the bake needless, and tell of it."""
        with _named_by_aws(PreflightError, self._session):
            found = find_proven(plan, self._session)
        if found is not None:
            self._session.report.line(why_skipped(found))
        return found

    def named(self, image_id: str, spec: Spec, kind: type[AmikilnError]) -> Image:
        """Look up an image of the spec; what is wrong with it is an error of the given kind."""
        with _named_by_aws(kind, self._session):
            return find_image(image_id, spec, self._session).to_image(self._session.cloud.region)

    def bake(self, plan: Plan, keep_on_error: bool = False, rebake: bool = False) -> Image:
        """Make the image, or take up an unjudged one of the same inputs."""
        with self._stage("bake", BakeError):
            return bake(plan, self._run, self._session, keep_on_error=keep_on_error, rebake=rebake)

    def verify(self, image: Image, plan: Plan, verdict_file: Path) -> VerdictFile:
        """Verify the image and write the verdict's file, whatever the outcome."""
        with self._stage("verify", VerifyError):
            found = verify(image, plan, self._run, self._session)
            keep(verdict_file, found.content)
            return found

    def publish(
        self, proof: VerdictFile | Forced, image: Image, spec: Spec, lease: Lease
    ) -> Published:
        """Let the pointer name the image."""
        with self._stage("publish", PublishError):
            return publish(proof, image, spec, lease, self._session)

    def turn_over(self, image: Image, spec: Spec) -> tuple[FleetGroup, ...]:
        """See that the groups follow the pointer."""
        with self._stage("turn over", RolloutError):
            return roll_out(spec, image.id, self._session)

    @contextmanager
    def _stage(self, title: str, kind: type[AmikilnError]) -> Iterator[None]:
        self._session.report.group(title)
        began = time.monotonic()
        try:
            with _named_by_aws(kind, self._session):
                yield
        finally:
            self.seconds[title] = round(time.monotonic() - began, 1)


def why_skipped(proven: Proven) -> str:
    """Return in one line why a bake, and perhaps what follows it, is needless."""
    hours = proven.age.total_seconds() / SECONDS_PER_HOUR
    known = f"inputs unchanged: {proven.image.id} of {hours:.1f} h ago is proven"
    if proven.published is not None:
        return f"{known} and published; --rebake bakes anyway"
    return f"{known}, but the pointer does not name it: verified again; --rebake bakes anyway"


def require_pass(verdict: Verdict, verdict_file: Path) -> None:
    """Go on only with an image that has proven itself.

    Args:
        verdict: What was found out.
        verdict_file: Where it is kept, to be named.

    Raises:
        VerifyError: Some check failed, or could not tell.
    """
    if verdict.outcome is not Outcome.PASS:
        open_checks = [check for check in verdict.checks if check.outcome is not Outcome.PASS]
        raise VerifyError(
            f"{verdict.image_id} did not prove itself: "
            + "; ".join(f"{check.name}: {check.evidence}" for check in open_checks),
            hint=f"the whole verdict is in {verdict_file}; the pointer was not moved",
        )


def keep(file: Path, content: str | bytes) -> None:
    """Write a file of history, and the directories it is in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def _named_by_aws(kind: type[AmikilnError], session: Session) -> Iterator[None]:
    """Give errors that know no stage the stage's kind, and with it its exit code."""
    try:
        yield
    except AwsFailure as error:
        what, hint = explain(error)
        raise kind(f"{what} (region {session.cloud.region})", hint=hint) from error
    except AmikilnError as error:
        if error.exit_code != AmikilnError.exit_code:
            raise
        raise kind(error.what, hint=error.hint) from error
