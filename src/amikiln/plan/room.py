"""What will be on an image's disk, estimated before it is baked, and whether the volume holds it.

Manifests say how large layers are as they are stored, not unpacked
(https://github.com/opencontainers/image-spec/blob/main/manifest.md). Compressed ones are taken for
three times as much (registries.UNPACKED). While they are pulled, and for good in Docker's
containerd store, they lie beside that. A layer that several images share counts once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from amikiln.model.plan import Layer, PinnedImage, Plan, SourceImage

GIB = 1024**3
LARGEST_TIGHT_GIB = 16
"""Up to here an image's volume is hardly larger than what is in it: distributions' have 8 to 10."""


@dataclass(frozen=True)
class Room:
    """What needs room on the volume, in GiB.

    Attributes:
        volume_gib: The volume.
        source_gib: The source image: what it says it uses, or else all of its volume, if that is
            as small as distributions' are; None: not known.
        images_gib: The listed images and the builder's, each layer once: stored and unpacked.
        used_gib: What an earlier image of the spec used, warm build included; 0: not known. It may
            have held something else, so that it is told, and is no fault.
        free_gib: What verify wants to be free: the fleet's cut-off, and the largest image again.
        unknown: The images whose registry does not say how large they are.
    """

    volume_gib: int
    source_gib: float | None
    images_gib: float
    used_gib: float
    free_gib: float
    unknown: tuple[str, ...]

    @property
    def needed_gib(self) -> float:
        """What has to fit, as far as it can be told beforehand."""
        return (self.source_gib or 0) + self.images_gib + self.free_gib

    @property
    def fits(self) -> bool:
        """Whether the volume holds all of it."""
        return self.needed_gib <= self.volume_gib

    def describe(self) -> str:
        """Return the estimate in words."""
        earlier = (
            f"an earlier image used {self.used_gib:.1f}"
            if self.used_gib
            else "the warm build's cache is not known yet"
        )
        source = f"{self.source_gib:g}" if self.source_gib is not None else "not known"
        text = (
            f"{self.needed_gib:.1f} GiB of {self.volume_gib}: source image {source},"
            f" images {self.images_gib:.1f} (by their manifests), {earlier},"
            f" free for jobs {self.free_gib:.1f}"
        )
        if self.unknown:
            text += f"; not known: the size of {', '.join(self.unknown)}"
        return text


def estimate_room(plan: Plan, used_gib: float = 0) -> Room:
    """Return what a plan's image needs.

    Args:
        plan: What is to be baked.
        used_gib: What an earlier image of the spec used; 0: not known.
    """
    images = (*plan.images, plan.buildkit)
    largest = max((_sum_unpacked([image]) for image in plan.images), default=0)
    return Room(
        volume_gib=plan.spec.volume.size_gib,
        source_gib=_estimate_source(plan.source),
        images_gib=(_sum_unpacked(images) + _sum_stored(images)) / GIB,
        used_gib=used_gib,
        free_gib=plan.spec.verify.minimum_free_gib + largest / GIB,
        unknown=tuple(image.reference for image in images if not image.layers),
    )


def _estimate_source(source: SourceImage) -> float | None:
    if source.used_gib is not None:
        return source.used_gib
    return source.volume_gib if source.volume_gib <= LARGEST_TIGHT_GIB else None


def _list_layers(images: Iterable[PinnedImage]) -> Iterable[Layer]:
    """Return the images' layers, each once."""
    return {layer.digest: layer for image in images for layer in image.layers}.values()


def _sum_stored(images: Iterable[PinnedImage]) -> int:
    return sum(layer.stored_bytes for layer in _list_layers(images))


def _sum_unpacked(images: Iterable[PinnedImage]) -> int:
    return sum(layer.unpacked_bytes for layer in _list_layers(images))


def find_room_fault(plan: Plan) -> str | None:
    """Return why a plan's image does not fit, or None if it does as far as can be told."""
    room, source = estimate_room(plan), plan.source
    if room.volume_gib < source.volume_gib:
        return (
            f"volume.size_gib is {room.volume_gib}, and the source image {source.id} alone has"
            f" {source.volume_gib} GiB"
        )
    if not room.fits:
        return f"volume.size_gib is too small: the image needs {room.describe()}"
    return None
