"""Status: the pointer, the images and the machines, as the cloud has them now."""

from __future__ import annotations

from dataclasses import dataclass

from amikiln.catalog.images import CatalogImage, list_images
from amikiln.catalog.pointer import Pointer
from amikiln.model.fleet import FleetGroup, FleetMachine
from amikiln.rollout.rollout import describe_groups
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
    """What ``amikiln status`` shows."""

    image: str
    region: str
    pointer: str
    pointer_version: int | None
    published_image: str | None
    images: tuple[ImageLine, ...]
    groups: tuple[FleetGroup, ...]


def status(spec: Spec, session: Session) -> Status:
    """Read the pointer, the images and the groups. Writes nothing."""
    pointer = Pointer(spec, session).read()
    published = pointer.value if pointer is not None else None
    images = list_images(spec.name, session)
    return Status(
        image=spec.name,
        region=spec.region,
        pointer=spec.pointer,
        pointer_version=pointer.version if pointer is not None else None,
        published_image=published,
        images=tuple(_line(image, published) for image in images),
        groups=describe_groups(spec, published, session) if published is not None else (),
    )


def machines_of(groups: tuple[FleetGroup, ...]) -> list[tuple[FleetGroup, FleetMachine]]:
    """Return each machine with the group it is in."""
    return [(group, machine) for group in groups for machine in group.machines]


def _line(image: CatalogImage, published: str | None) -> ImageLine:
    return ImageLine(
        id=image.id,
        name=image.record.name,
        created=image.record.created,
        state=image.record.state,
        verdict=image.verdict or "none",
        run=image.run or "",
        digest=image.digest,
        deprecated_from=image.record.deprecated_from,
        published=image.id == published,
        forced=image.forced,
    )
