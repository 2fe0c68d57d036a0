"""Verify: a machine of its own boots from the image, and every check looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from amikiln.catalog.fate import describe_fate
from amikiln.catalog.images import record_verdict
from amikiln.errors import VerifyError
from amikiln.machine import instance, upload
from amikiln.machine.virtualization import describe_machine, detect_machine
from amikiln.model.image import Image
from amikiln.model.plan import Plan
from amikiln.model.plan_file import hash_plan
from amikiln.model.run import Run
from amikiln.model.verdict import CheckResult, Outcome, Verdict, VerdictFile, conclude, serialize
from amikiln.recipe import digest, render
from amikiln.runtime.cleanup import Undo
from amikiln.runtime.guest import Guest, GuestCommandFailed
from amikiln.session import Session
from amikiln.spec.spec import Spec
from amikiln.verify.checks.finding import Check, Subject
from amikiln.verify.checks.run import Round, list_rounds, run_check
from amikiln.verify.kernel_boot import boot_kernel_if_changed
from amikiln.version import __version__

MARKS = {Outcome.PASS: "ok  ", Outcome.FAIL: "FAIL", Outcome.UNKNOWN: "??  "}


def verify(image: Image, plan: Plan, run: Run, session: Session) -> VerdictFile:
    """Boot an image on a machine of its own and run all checks.

    Args:
        image: The image to verify.
        plan: What it should be.
        run: The run that the machine belongs to.
        session: Where to boot it.

    Returns:
        The verdict, whatever its outcome, which is tagged on the image together with the file's
        hash. An image that passed and was made by another tool gets the inputs' digest as a tag,
        too.

    Raises:
        AmikilnError: The image did not boot, or nobody could log in.
    """
    with Undo(session.report) as undo:
        machine = instance.start(session, plan.request_verify_machine(image.id), run, undo)
        subject = _describe_subject(machine.guest, image, plan)
        rendered = render.render_recipe(subject.plan)
        seconds = plan.spec.deadlines.step_seconds
        upload.send_recipe(rendered, subject.guest, session, seconds)
        upload.send_build(subject.plan, subject.guest, session)
        subject = replace(subject, machine=detect_machine(subject.guest))
        session.report.line(f"checked on: {describe_machine(subject.machine)}")
        boot = boot_kernel_if_changed(subject, image, run, session)
        subject = replace(subject, kernel_boot=boot)
        results = tuple(_run_checks(subject, session))
    verdict = Verdict(
        image_id=image.id,
        digest=subject.image_digest,
        proof_digest=plan.proof_digest,
        plan_sha256=hash_plan(plan),
        region=session.cloud.region,
        run_id=run.id,
        machine=subject.machine,
        outcome=conclude(results),
        checks=results,
        not_asked=plan.spec.not_asked,
        verified_at=datetime.now(UTC).isoformat(timespec="seconds"),
        amikiln_version=__version__,
    )
    file = serialize(verdict)
    record_verdict(image, file, session)
    return file


def _describe_subject(guest: Guest, image: Image, plan: Plan) -> Subject:
    subject = Subject(guest, plan, image.digest)
    if plan.digest != image.digest:
        subject = replace(subject, plan=_restore_plan(subject))
    # Packer's images have no tag: their manifest has to lead to the digest all the same.
    return replace(subject, image_digest=image.digest or subject.plan.digest)


def _restore_plan(subject: Subject) -> Plan:
    """Return the plan with the container images' digests that the image's manifest names.

    What their tags mean may have changed since the bake. The manifest is not trusted: a check
    compares the restored plan's digest with the one that the image was tagged with.
    """
    try:
        return digest.restore_inputs(subject.plan, subject.read_manifest()["planned"])
    except (GuestCommandFailed, KeyError, TypeError, AttributeError, ValueError):
        # The checks will say what is wrong with the manifest.
        return subject.plan


def _run_checks(subject: Subject, session: Session) -> Iterator[CheckResult]:
    for checks in list_rounds(subject.plan):
        for result in _run_side_by_side(checks, subject, session):
            session.report.line(describe_result(result))
            yield result


def _run_side_by_side(checks: Round, subject: Subject, session: Session) -> Iterator[CheckResult]:
    """Run checks at once, and yield their results in their order, each as soon as it is known."""
    pool = ThreadPoolExecutor(len(checks))
    try:
        running = [pool.submit(_run_check, check, subject, session) for check in checks]
        for check in running:
            yield check.result()
    finally:
        # Whoever breaks off leaves the machine, which ends the commands that are still running.
        pool.shutdown(wait=False, cancel_futures=True)


def _run_check(check: Check, subject: Subject, session: Session) -> CheckResult:
    with session.waiter.span(f"check {check.name}"):
        result = run_check(check, subject)
    # A build may print the secrets that it was given.
    return replace(result, evidence=session.mask(result.evidence))


def describe_result(result: CheckResult) -> str:
    """Return a check's result on one line, with its hint if it has one."""
    line = f"{MARKS[result.outcome]} {result.name}: {result.evidence}"
    return line + (f" -- {result.hint}" if result.hint else "")


def require_pass(verdict: Verdict, verdict_file: Path, spec: Spec, session: Session) -> None:
    """Go on only with an image that passed.

    Args:
        verdict: What was found out.
        verdict_file: Where it was written; named in the error.
        spec: Whose image it is.
        session: Where to look for what becomes of it.

    Raises:
        VerifyError: A check failed, or could not be carried out.
    """
    if verdict.outcome is not Outcome.PASS:
        open_checks = [check for check in verdict.checks if check.outcome is not Outcome.PASS]
        raise VerifyError(
            f"{verdict.image_id} did not prove itself: "
            + "; ".join(f"{check.name}: {check.evidence}" for check in open_checks),
            hint=f"the whole verdict is in {verdict_file}; the pointer was not moved."
            f" {describe_fate(verdict.image_id, spec, session)}",
        )
