"""An image, the reason to publish it without proof, and what publishing did."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_REASON = 255


@dataclass(frozen=True)
class Image:
    """A baked AMI."""

    id: str
    name: str
    region: str
    digest: str
    snapshot_ids: tuple[str, ...]


@dataclass(frozen=True)
class ForceReason:
    """Why an image is to be published without proof.

    Attributes:
        image_id: The AMI that is meant.
        reason: One line of 1 to 255 printable characters; the image is tagged with it.

    Raises:
        ValueError: The reason is empty, too long, or not printable.
    """

    image_id: str
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", self.reason.strip())
        # The longest value of a tag is 256:
        # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html
        if not 1 <= len(self.reason) <= LONGEST_REASON or not self.reason.isprintable():
            raise ValueError(f"not a reason: write 1 to {LONGEST_REASON} printable characters")


@dataclass(frozen=True)
class PublishResult:
    """What the pointer says after publishing."""

    parameter: str
    version: int
    image_id: str
    previous_image_id: str | None
    forced: str | None = None
    """The reason, where it was published without proof."""
