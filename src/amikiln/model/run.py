"""One run of the pipeline."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """One run of the pipeline; its id is on everything that the run makes."""

    id: str
    image_name: str

    @property
    def stamp(self) -> str:
        """The part of the id that no other run of this image has: its time and a random part."""
        return self.id.removeprefix(f"{self.image_name}-")
