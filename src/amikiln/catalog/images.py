"""A spec's images that exist already: finding them, and tagging what is found out about them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from amikiln.aws.images import ImageRecord
from amikiln.catalog.pointer import Pointer
from amikiln.catalog.states import REPLACES_A_BAKE, REUSABLE, STAYS, ImageState, derive_state
from amikiln.catalog.tags import (
    NOTHING,
    TAG_DIGEST,
    TAG_FORCED,
    TAG_IMAGE,
    TAG_NOT_ASKED,
    TAG_PROOF,
    TAG_RUN,
    TAG_USED,
    TAG_VERDICT,
    TAG_VERDICT_HASH,
    tags_for_spec,
)
from amikiln.errors import AmikilnError
from amikiln.model.image import ForceReason, Image, PublishResult
from amikiln.model.plan import Plan
from amikiln.model.verdict import Outcome, VerdictFile
from amikiln.session import Session
from amikiln.spec.spec import Spec

BEING_WRITTEN = {"pending", "transient"}
"""https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Image.html"""
AWAITED_FOR = timedelta(days=1)


@dataclass(frozen=True)
class CatalogImage:
    """An image as EC2 describes it, with what its tags mean."""

    record: ImageRecord

    @property
    def id(self) -> str:
        """The AMI's id."""
        return self.record.id

    @property
    def state(self) -> ImageState:
        """What may be done with it."""
        return derive_state(self.record.state, self.record.tags)

    @property
    def run(self) -> str | None:
        """The id of the run that made it; None: no run of ours did."""
        return self.record.tags.get(TAG_RUN)

    @property
    def is_being_written(self) -> bool:
        """Whether EC2 still writes its snapshot, for which it needs the machine."""
        return self.record.state in BEING_WRITTEN

    @property
    def digest(self) -> str:
        """The SHA-256 of what entered its disk; empty where another tool made it, until proven."""
        return self.record.tags.get(TAG_DIGEST, "")

    @property
    def verdict(self) -> str | None:
        """What verify found out about it; None: it was not verified."""
        return self.record.tags.get(TAG_VERDICT)

    @property
    def not_asked(self) -> tuple[str, ...]:
        """The checks that its verdict does not speak of; empty without a verdict, too."""
        said = self.record.tags.get(TAG_NOT_ASKED, NOTHING)
        return () if said == NOTHING else tuple(said.split())

    @property
    def forced(self) -> str | None:
        """Why somebody published it without proof; None: nobody did."""
        return self.record.tags.get(TAG_FORCED)

    @property
    def stays(self) -> bool:
        """Whether no sweep may remove it, even if nothing refers to it."""
        return self.state in STAYS

    def may_be_awaited(self, now: datetime) -> bool:
        """Tell whether somebody may still go on with it: whole, unproven, younger than a day.

        Between the steps of a pipeline another run may sweep, with other inputs of its own. An
        image that EC2 still writes counts as whole, and one whose age cannot be told as young.

        Args:
            now: The time that ages are counted to.
        """
        if self.state not in REUSABLE:
            return False
        age = self.age(now)
        return age is None or age < AWAITED_FOR

    def state_for(self, plan: Plan) -> ImageState:
        """Return its state for a plan: a verdict about something else to prove does not count."""
        tags = dict(self.record.tags)
        if tags.get(TAG_PROOF) != plan.proof_digest:
            tags.pop(TAG_VERDICT, None)
        return derive_state(self.record.state, tags)

    def is_reusable_for(self, plan: Plan, now: datetime | None = None) -> bool:
        """Tell whether a run can verify this image instead of baking the plan.

        Args:
            plan: What would be baked.
            now: The time that ages are counted to; this machine's by default.
        """
        if self.digest != plan.digest or self.state_for(plan) not in REUSABLE:
            return False
        # One without any verdict was left by a run that failed, and is as good as a new one.
        return self.verdict is None or self.is_young_for(plan, now or datetime.now(UTC))

    def is_young_for(self, plan: Plan, now: datetime) -> bool:
        """Tell whether it is younger than the ``max_age_hours`` of a plan's spec."""
        age = self.age(now)
        return age is not None and age < timedelta(hours=plan.spec.max_age_hours)

    def age(self, now: datetime) -> timedelta | None:
        """Return the time since it was begun; None: it cannot be read, or lies in the future."""
        try:
            age = now - datetime.fromisoformat(self.record.created)
        except (ValueError, TypeError):  # not a time, or one without a zone
            return None
        return age if age >= timedelta(0) else None

    def bake_time(self) -> timedelta | None:
        """Return how long its run took until EC2 began it; None: that cannot be told."""
        stamp = re.search(r"-(\d{8}-\d{6})-[0-9a-f]+$", self.run or "")
        try:
            began = datetime.strptime(stamp[1], "%Y%m%d-%H%M%S") if stamp else None
            ended = datetime.fromisoformat(self.record.created)
        except (ValueError, TypeError):
            return None
        if began is None or ended.tzinfo is None:
            return None
        time = ended - began.replace(tzinfo=UTC)
        return time if time >= timedelta(0) else None

    def find_contradicting_tags(self, proof: VerdictFile) -> list[str]:
        """Return the names of the tags that are not those of an image with this verdict."""
        wanted = {TAG_DIGEST: proof.verdict.digest, **_tags_of_verdict(proof)}
        return [name for name, value in wanted.items() if self.record.tags.get(name) != value]

    def to_image(self, region: str) -> Image:
        """Return the record that stages hand on."""
        record = self.record
        return Image(record.id, record.name, region, self.digest, record.snapshot_ids)


@dataclass(frozen=True)
class ProvenImage:
    """A young image of a plan's inputs that has proven what the plan asks for.

    Attributes:
        image: The image.
        age: Since AWS began to make it.
        published: What the pointer says, if it names this image.
    """

    image: Image
    age: timedelta
    published: PublishResult | None

    def explain(self) -> str:
        """Return why it is not baked again, and how it is all the same."""
        hours = self.age / timedelta(hours=1)
        known = f"inputs unchanged: {self.image.id} of {hours:.1f} h ago is proven"
        if self.published is not None:
            return f"{known} and published; --rebake bakes anyway"
        return f"{known}, but the pointer does not name it: verified again; --rebake bakes anyway"


def list_images(spec_name: str, session: Session) -> list[CatalogImage]:
    """Return all images of a spec, newest first, in whatever state they are."""
    return _find(tags_for_spec(spec_name), session)


def find_used_gib(images: Sequence[CatalogImage]) -> float:
    """Return how much of its disk the newest image used that says it; 0: none does.

    Args:
        images: All that there are of the spec, newest first.
    """
    for image in images:
        try:
            return float(image.record.tags[TAG_USED])
        except (KeyError, ValueError):
            continue
    return 0


def find_image(image_id: str, spec: Spec, session: Session) -> CatalogImage:
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
        raise AmikilnError(
            f"there is no image {image_id} in {region}",
            hint=f"see `{session.cloud.amikiln('status', 'IMAGE')}`",
        )
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
    return CatalogImage(found)


def find_proven(
    plan: Plan, images: Sequence[CatalogImage], session: Session, now: datetime | None = None
) -> ProvenImage | None:
    """Return the first of the images that makes it needless to bake and to verify a plan, or None.

    It is available, has the same on its disk, has proven what the plan asks for, and is younger
    than ``max_age_hours``. An image that somebody published without proof is never returned, nor
    one whose age is unknown.

    Args:
        plan: What would be baked.
        images: All that there are of the spec, as ``list_images`` returns them.
        session: Where the pointer is.
        now: The time that ages are counted to; this machine's by default.
    """
    now = now or datetime.now(UTC)
    for image in images:
        age = image.age(now)
        proven = image.digest == plan.digest and image.state_for(plan) in REPLACES_A_BAKE
        if proven and age is not None and image.is_young_for(plan, now):
            published = Pointer(plan.spec, session).read_if_at(image.id)
            return ProvenImage(image.to_image(session.cloud.region), age, published)
    return None


def find_reusable(plan: Plan, images: Sequence[CatalogImage]) -> CatalogImage | None:
    """Return the first image of a plan's inputs that only has to be verified, or None.

    Nobody has verified it yet, or something else was proven than the plan asks for. It may still be
    being written.
    """
    return next((image for image in images if image.is_reusable_for(plan)), None)


def record_verdict(image: Image, file: VerdictFile, session: Session) -> None:
    """Tag an image with its verdict's result and hash, and with the digest of what it proves.

    A pass also leaves the inputs' digest, where another tool than ours made the image and could
    not know it.
    """
    tags, verdict = _tags_of_verdict(file), file.verdict
    if not image.digest and verdict.outcome is Outcome.PASS:
        tags[TAG_DIGEST] = verdict.digest
    session.cloud.images.tag(image.id, tags)


def record_forced(force: ForceReason, session: Session) -> None:
    """Tag an image with the reason why it is published without proof."""
    session.cloud.images.tag(force.image_id, {TAG_FORCED: force.reason})


def _tags_of_verdict(file: VerdictFile) -> dict[str, str]:
    return {
        TAG_VERDICT: file.verdict.outcome,
        TAG_VERDICT_HASH: file.sha256,
        TAG_PROOF: file.verdict.proof_digest,
        TAG_NOT_ASKED: " ".join(file.verdict.not_asked) or NOTHING,
    }


def _find(tags: Mapping[str, str], session: Session) -> list[CatalogImage]:
    return [CatalogImage(record) for record in session.cloud.images.find_by_tags(tags)]
