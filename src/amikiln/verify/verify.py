"""Verify: a fresh machine boots from the candidate and is looked at. No image is believed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from amikiln import __version__
from amikiln.catalog.images import record_verdict
from amikiln.machine import instance, upload
from amikiln.model.image import Image
from amikiln.model.plan import Plan
from amikiln.model.run import Run
from amikiln.model.verdict import CheckResult, Outcome, Verdict, VerdictFile, conclude, serialize
from amikiln.recipe import digest, render
from amikiln.runtime.cleanup import Undo
from amikiln.runtime.guest import Guest, GuestCommandFailed
from amikiln.session import Session
from amikiln.verify import fleet_settings
from amikiln.verify.checks import run as checks

MARKS = {Outcome.PASS: "ok  ", Outcome.FAIL: "FAIL", Outcome.UNKNOWN: "??  "}


def verify(image: Image, plan: Plan, run: Run, session: Session) -> VerdictFile:
    """Boot an image on a machine of its own and carry out all checks.

    Args:
        image: The candidate.
        plan: What it was to become.
        run: Whose machine it is.
        session: Where to boot it.

    Returns:
        The verdict, whatever it is; its result and its hash are tagged on the image, and with a
        pass the inputs' digest, where another tool than ours made the image and could not.

    Raises:
        AmikilnError: The candidate did not boot, or nobody could log in.
    """
    with Undo(session.report) as undo:
        machine = instance.start(
            session,
            plan,
            run,
            undo,
            purpose="verify",
            image_id=image.id,
            like_the_fleets=True,
        )
        fleet_settings.apply(plan, machine.guest)
        subject = _subject(machine.guest, image, plan)
        results = tuple(_look(subject, session))
    verdict = Verdict(
        image_id=image.id,
        digest=subject.image_digest,
        region=session.cloud.region,
        run_id=run.id,
        outcome=conclude(results),
        checks=results,
        verified_at=datetime.now(UTC).isoformat(timespec="seconds"),
        amikiln_version=__version__,
    )
    file = serialize(verdict)
    record_verdict(image, file, session)
    return file


def _subject(guest: Guest, image: Image, plan: Plan) -> checks.Subject:
    subject = checks.Subject(guest, plan, image.digest)
    if plan.digest != image.digest:
        subject = replace(subject, plan=_as_baked(subject))
    # An image without the tag, of Packer's: its manifest has to lead to the digest all the same.
    return replace(subject, image_digest=image.digest or subject.plan.digest)


def _look(subject: checks.Subject, session: Session) -> Iterator[CheckResult]:
    guest = subject.guest
    upload.send_recipe(render.render_recipe(subject.plan), guest, session)
    upload.send_build(subject.plan, guest, session)
    for check in checks.of(subject.plan):
        with session.waiter.span(f"check {checks.name_of(check)}"):
            found = checks.carry_out(check, subject)
        result = replace(found, evidence=session.mask(found.evidence))
        session.report.line(described(result))
        yield result


def _as_baked(subject: checks.Subject) -> Plan:
    """Return the plan with the digests that its tags had at the bake, as the image names them.

    They are believed only if they lead to the digest that the image was tagged with: a check
    compares.
    """
    try:
        return digest.as_baked(subject.plan, subject.manifest()["planned"])
    except (GuestCommandFailed, KeyError, TypeError, AttributeError, ValueError):
        # The checks will say what is wrong with its manifest.
        return subject.plan


def described(result: CheckResult) -> str:
    """Return a check's result in one line, and its hint if there is need for one."""
    line = f"{MARKS[result.outcome]} {result.name}: {result.evidence}"
    return line + (f" -- {result.hint}" if result.hint else "")
