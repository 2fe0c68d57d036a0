"""Candidates: images that exist already, and whether one of them makes a bake needless."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from amikiln.aws.images import ImageRecord
from amikiln.catalog.tags import TAG_DIGEST, TAG_FORCED, TAG_IMAGE, TAG_VERDICT
from amikiln.errors import AmikilnError
from amikiln.model.image import Image, Published
from amikiln.model.plan import Plan
from amikiln.model.verdict import Outcome
from amikiln.session import Session
from amikiln.spec.spec import Spec


@dataclass(frozen=True)
class Proven:
    """A young image of a plan's inputs that has proven itself.

    Attributes:
        image: The image.
        age: Since AWS began to make it.
        published: The pointer, if it names this image.
    """

    image: Image
    age: timedelta
    published: Published | None


def named(image_id: str, spec: Spec, session: Session) -> ImageRecord:
    """Return an available image of a spec.

    Args:
        image_id: The AMI, as ``ami-0123456789abcdef0``.
        spec: Whose image it has to be, by its tag.
        session: Where to look.

    Raises:
        AmikilnError: There is no such image, it is not available, or it is another spec's.
    """
    region = session.cloud.region
    found = session.cloud.images.get(image_id)
    if found is None:
        raise AmikilnError(f"there is no image {image_id} in {region}", hint="see `amikiln status`")
    if found.tags.get(TAG_IMAGE) != spec.name:
        raise AmikilnError(
            f"{image_id} in {region} is not an image of {spec.name}: its tag {TAG_IMAGE} is"
            f" {found.tags.get(TAG_IMAGE, 'missing')}",
            hint="see `amikiln status` for the images of this spec",
        )
    if found.state != "available":
        raise AmikilnError(
            f"{image_id} in {region} is {found.state}, not available",
            hint="wait until it is written, or bake another",
        )
    return found


def image_of(record: ImageRecord, session: Session) -> Image:
    """Return the image that a record shows, with the inputs' digest of its tag."""
    digest = record.tags.get(TAG_DIGEST, "")
    return Image(record.id, record.name, session.cloud.region, digest, record.snapshot_ids)


def proven(plan: Plan, session: Session, now: datetime | None = None) -> Proven | None:
    """Return the newest image that makes it needless to bake a plan, or None.

    It is available, of the same inputs, proven, and younger than ``max_age_hours``. One that
    somebody published without proof is never it, nor is one whose age cannot be told.

    Args:
        plan: What would be baked.
        session: Where to look.
        now: The time that ages are counted to; this machine's by default.
    """
    now = now or datetime.now(UTC)
    longest = timedelta(hours=plan.spec.max_age_hours)
    for record in session.cloud.images.find_by_tags(
        {TAG_IMAGE: plan.spec.name, TAG_DIGEST: plan.digest}
    ):
        age = _age(record, now)
        if (
            record.state == "available"
            and record.tags.get(TAG_VERDICT) == Outcome.PASS
            and TAG_FORCED not in record.tags
            and age is not None
            and age < longest
        ):
            return Proven(image_of(record, session), age, _published(record.id, plan.spec, session))
    return None


def _published(image_id: str, spec: Spec, session: Session) -> Published | None:
    pointer = session.cloud.parameters.get(spec.pointer)
    if pointer is None or pointer.value != image_id:
        return None
    return Published(pointer.name, pointer.version, image_id, None)


def _age(record: ImageRecord, now: datetime) -> timedelta | None:
    """Return the time since a record's creation; None: it cannot be read, or is not over yet."""
    try:
        age = now - datetime.fromisoformat(record.created)
    except (ValueError, TypeError):  # not a time, or one without a zone
        return None
    return age if age >= timedelta(0) else None
