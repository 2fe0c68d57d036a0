"""What becomes of an image whose run failed, in words: whether it stays, and until when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from amikiln.aws.errors import AwsFailure
from amikiln.catalog.images import CatalogImage
from amikiln.catalog.pointer import Pointer
from amikiln.catalog.states import FATES, UNTIL_SOMEBODY_REMOVES_IT, ImageState
from amikiln.errors import AmikilnError, Interrupted
from amikiln.session import Session
from amikiln.spec.spec import Spec


def describe_fate(image_id: str, spec: Spec, session: Session) -> str:
    """Return whether an image stays, and until when, as a sentence that begins with its id.

    Args:
        image_id: The AMI.
        spec: Whose image it is.
        session: Where to look; nothing is changed.
    """
    try:
        record = session.cloud.images.get(image_id)
        named = image_id in Pointer(spec, session).read_history()
    except AwsFailure:
        return (
            f"{image_id} is still there, as far as can be told: see"
            f" `{session.cloud.amikiln('status', 'IMAGE')}`"
        )
    if record is None:
        return f"{image_id} is gone"
    if named:
        return f"{image_id} {UNTIL_SOMEBODY_REMOVES_IT}: {spec.pointer} names it, or has named it"
    return f"{image_id} {FATES[CatalogImage(record).state]}"


@contextmanager
def tell_fate(image_id: str, spec: Spec, session: Session) -> Iterator[None]:
    """If the block fails or is interrupted, say what becomes of an image; then go on failing."""
    try:
        yield
    except Interrupted:
        # Whoever interrupts wants no more calls: nobody has verified it, or the verdict stands.
        session.report.line(f"{image_id} {FATES[ImageState.UNPROVEN]}")
        raise
    except (AmikilnError, *AwsFailure):
        session.report.line(describe_fate(image_id, spec, session))
        raise
