"""Status: the pointer, the images and the machines, as the cloud has them now."""

from __future__ import annotations

from dataclasses import dataclass

from amikiln.catalog.images import CatalogImage, list_images
from amikiln.catalog.pointer import Pointer
from amikiln.catalog.states import ImageState
from amikiln.model.fleet import FleetGroup, FleetMachine
from amikiln.rollout.rollout import describe_fleet
from amikiln.session import Session
from amikiln.spec.spec import Spec


@dataclass(frozen=True)
class ImageLine:
    """One image of the spec."""

    id: str
    name: str
    created: str
    state: str
    """What EC2 says."""
    verdict: str
    """What its last verdict says; ``none``: it was not verified."""
    run: str
    digest: str
    deprecated_from: str | None
    published: bool
    forced: str | None
    """Why somebody published it without proof; None: nobody did."""
    not_asked: tuple[str, ...]
    """The checks that its verdict does not speak of, since the spec did not ask for them."""
    life: ImageState
    """What amikiln may do with it, which follows from all of this."""


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
    missing_groups: tuple[str, ...]
    """What the spec names and there is not, in words."""


def read_status(spec: Spec, session: Session) -> Status:
    """Read the pointer, the images and the groups. Writes nothing.

    Args:
        spec: Names the pointer and the groups, and is the one that the images are of.
        session: Where to look.
    """
    pointer = Pointer(spec, session).read()
    published = pointer.value if pointer is not None else None
    images = list_images(spec.name, session)
    fleet = describe_fleet(spec, published or "", session)
    return Status(
        image=spec.name,
        region=spec.region,
        pointer=spec.pointer,
        pointer_version=pointer.version if pointer is not None else None,
        published_image=published,
        images=tuple(_line(image, published) for image in images),
        groups=fleet.groups,
        missing_groups=fleet.missing,
    )


def list_machines(groups: tuple[FleetGroup, ...]) -> list[tuple[FleetGroup, FleetMachine]]:
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
        not_asked=image.not_asked,
        life=image.state,
    )
