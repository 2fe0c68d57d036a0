"""Status: the pointer, the images and the machines, as the cloud has them now."""

from __future__ import annotations

from dataclasses import dataclass

from amikiln.aws.images import ImageRecord
from amikiln.catalog.tags import TAG_DIGEST, TAG_FORCED, TAG_IMAGE, TAG_RUN, TAG_VERDICT
from amikiln.model.fleet import FleetMachine, GroupTurnover
from amikiln.rollout.rollout import look
from amikiln.session import Session
from amikiln.spec.spec import Spec


@dataclass(frozen=True)
class ImageLine:
    """One image of the spec's name."""

    id: str
    name: str
    created: str
    state: str
    verdict: str
    run: str
    digest: str
    deprecated_from: str | None
    published: bool
    forced: str | None
    """Why somebody published it without proof; None: nobody did."""


@dataclass(frozen=True)
class Status:
    """What ``amikiln status`` tells."""

    image: str
    region: str
    pointer: str
    pointer_version: int | None
    published_image: str | None
    images: tuple[ImageLine, ...]
    groups: tuple[GroupTurnover, ...]


def status(spec: Spec, session: Session) -> Status:
    """Read pointer, images and groups. Writes nothing."""
    pointer = session.cloud.parameters.get(spec.pointer)
    published = pointer.value if pointer is not None else None
    images = session.cloud.images.find_by_tags({TAG_IMAGE: spec.name})
    return Status(
        image=spec.name,
        region=spec.region,
        pointer=spec.pointer,
        pointer_version=pointer.version if pointer is not None else None,
        published_image=published,
        images=tuple(_line(image, published) for image in images),
        groups=look(spec, published, session) if published is not None else (),
    )


def machines_of(groups: tuple[GroupTurnover, ...]) -> list[tuple[GroupTurnover, FleetMachine]]:
    """Return each machine with the group it is in."""
    return [(group, machine) for group in groups for machine in group.machines]


def _line(image: ImageRecord, published: str | None) -> ImageLine:
    return ImageLine(
        id=image.id,
        name=image.name,
        created=image.created,
        state=image.state,
        verdict=image.tags.get(TAG_VERDICT, "none"),
        run=image.tags.get(TAG_RUN, ""),
        digest=image.tags.get(TAG_DIGEST, ""),
        deprecated_from=image.deprecated_from,
        published=image.id == published,
        forced=image.tags.get(TAG_FORCED),
    )
