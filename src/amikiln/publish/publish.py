"""Publish: the pointer names the image that has proven itself, and no other."""

from __future__ import annotations

from collections.abc import Mapping

from amikiln.aws.parameters import Parameter
from amikiln.catalog import images, pointer
from amikiln.catalog.lease import Lease
from amikiln.catalog.tags import TAG_DIGEST, TAG_FORCED, TAG_VERDICT, TAG_VERDICT_HASH
from amikiln.errors import PublishError
from amikiln.model.image import Forced, Image, Published
from amikiln.model.verdict import Outcome, Verdict, VerdictFile
from amikiln.session import Session
from amikiln.spec.spec import Spec

READ_BACK_SECONDS = 120


def publish(
    proof: VerdictFile | Forced, image: Image, spec: Spec, lease: Lease, session: Session
) -> Published:
    """Write the image's id to the pointer and read it back until it is there.

    Args:
        proof: A verdict has to be a pass, of this very image and its inputs. Or somebody's word
            instead, whose reason is tagged on the image before anything else is written.
        image: What to publish; has to be available.
        spec: Names the pointer.
        lease: Checked before every write.
        session: Where to write.

    Raises:
        PublishError: The verdict does not allow it, or the value did not arrive.
        AmikilnError: The image is gone, is not available, or is another spec's.
        LeaseError: Another run has taken over.
    """
    if isinstance(proof, VerdictFile):
        _require_pass(proof.verdict, image)
    tags = images.named(image.id, spec, session).tags
    forced = None
    if isinstance(proof, VerdictFile):
        _require_tags(tags, proof, image)
    else:
        forced = _recorded(proof, image, lease, session)
    parameters, name = session.cloud.parameters, spec.pointer
    before = parameters.get(name)
    if fault := pointer.fault(before, spec):
        raise PublishError(fault)
    if before is not None and before.value == image.id:
        session.report.line(f"{name} is {image.id} already (version {before.version})")
        return Published(name, before.version, image.id, None, forced)
    lease.check()
    version = parameters.put(name, image.id, data_type=spec.publish.data_type)

    def arrived() -> Parameter | None:
        now = parameters.get(name)
        if now is not None and now.version > version:
            raise PublishError(
                f"{name} was written by somebody else meanwhile: version {now.version} is"
                f" {now.value}",
                hint="find out who writes this parameter besides amikiln",
            )
        return now if now is not None and now.value == image.id else None

    session.waiter.until(
        arrived, what=f"{name} to read back as {image.id}", deadline_seconds=READ_BACK_SECONDS
    )
    previous = before.value if before is not None else None
    session.report.line(
        f"{name} is {image.id} (version {version}; before: {previous or 'nothing'})"
    )
    return Published(name, version, image.id, previous, forced)


def _recorded(word: Forced, image: Image, lease: Lease, session: Session) -> str:
    if word.image_id != image.id:
        raise PublishError(
            f"the reason is about {word.image_id}, not about {image.id}",
            hint="give a reason for this very image",
        )
    lease.check()
    session.cloud.images.tag(image.id, {TAG_FORCED: word.reason})
    session.report.line(f"{image.id} is published WITHOUT PROOF: {word.reason}")
    return word.reason


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


def _require_tags(tags: Mapping[str, str], proof: VerdictFile, image: Image) -> None:
    """Compare with what verify and bake tagged: a file, or a record, is not believed alone."""
    wanted = {
        TAG_DIGEST: proof.verdict.digest,
        TAG_VERDICT: Outcome.PASS,
        TAG_VERDICT_HASH: proof.sha256,
    }
    other = [name for name, value in wanted.items() if tags.get(name) != value]
    if other:
        raise PublishError(
            f"the tags of {image.id} do not carry this verdict: {', '.join(other)}",
            hint="it was verified again, or the file or the tags were changed: verify it once more",
        )
