"""Publish: the pointer names the image that has proven itself, and no other."""

from __future__ import annotations

from dataclasses import replace

from amikiln.catalog.images import CatalogImage, find_image, record_forced
from amikiln.catalog.lease import Lease
from amikiln.catalog.pointer import Pointer
from amikiln.errors import PublishError
from amikiln.model.image import ForceReason, Image, PublishResult
from amikiln.model.verdict import Outcome, Verdict, VerdictFile
from amikiln.session import Session
from amikiln.spec.spec import Spec

Proof = VerdictFile | ForceReason
"""What allows an image to be published: that it passed, or that somebody says why it need not."""


def publish(
    proof: Proof,
    image: Image,
    spec: Spec,
    proof_digest: str,
    lease: Lease,
    session: Session,
) -> PublishResult:
    """Let the pointer name an image, and read it back until it does.

    Args:
        proof: A passing verdict of this very image and its inputs, which proves what the spec asks
            for today; or the reason to publish without one, which is tagged on the image before
            anything else is written.
        image: What to publish; has to be available.
        spec: Names the pointer.
        proof_digest: Of what the spec asks for today.
        lease: Checked before every write.
        session: Where to write.

    Raises:
        PublishError: The verdict does not allow it, or the value did not arrive.
        AmikilnError: The image is gone, is not available, or is another spec's.
        LeaseError: Another run has taken over.
    """
    if isinstance(proof, VerdictFile):
        _require_pass(proof.verdict, image)
        _require_proof(proof.verdict, proof_digest)
    found = find_image(image.id, spec, session)
    forced = None
    if isinstance(proof, VerdictFile):
        _require_tags(found, proof)
        for check, why in proof.verdict.not_asked.items():
            session.report.line(f"warning: {image.id} is published without {check}: {why}")
    else:
        _record_reason(proof, image, lease, session)
        forced = proof.reason
    return replace(Pointer(spec, session).move(image.id, lease), forced=forced)


def _record_reason(force: ForceReason, image: Image, lease: Lease, session: Session) -> None:
    if force.image_id != image.id:
        raise PublishError(
            f"the reason is about {force.image_id}, not about {image.id}",
            hint="give a reason for this very image",
        )
    lease.check()
    record_forced(force, session)
    session.report.line(f"{image.id} is published WITHOUT PROOF: {force.reason}")


def _require_pass(verdict: Verdict, image: Image) -> None:
    about, wanted = (verdict.image_id, verdict.region), (image.id, image.region)
    if about != wanted:
        raise PublishError(
            f"the verdict is about {' in '.join(about)}, not about {' in '.join(wanted)}",
            hint="verify this very image",
        )
    if verdict.digest != image.digest:
        raise PublishError(
            f"the verdict is about inputs {verdict.digest[:12]}, not about those of {image.id}:"
            f" {image.digest[:12] or 'unknown'}",
            hint="verify this very image",
        )
    if verdict.outcome is not Outcome.PASS:
        raise PublishError(
            f"{image.id} is not proven: its verdict is {verdict.outcome}",
            hint="correct what the verdict names, and run again",
        )


def _require_proof(verdict: Verdict, today: str) -> None:
    if verdict.proof_digest != today:
        raise PublishError(
            f"the verdict of {verdict.image_id} proves something else than the spec asks for now:"
            f" {verdict.proof_digest[:12]}, not {today[:12]}",
            hint="the checks, [verify], [fleet] or amikiln changed since: run `amikiln verify` on"
            " this image, and publish it with the new verdict",
        )


def _require_tags(found: CatalogImage, proof: VerdictFile) -> None:
    """Compare with what verify and bake tagged: a file, or a record, is not believed alone."""
    if other := found.find_contradicting_tags(proof):
        raise PublishError(
            f"the tags of {found.id} do not carry this verdict: {', '.join(other)}",
            hint="it was verified again, or the file or the tags were changed: verify it once more",
        )
