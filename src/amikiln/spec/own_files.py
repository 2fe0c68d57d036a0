"""What a user puts beside image.toml: steps of the recipe, and checks of the image."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from amikiln.errors import SpecError

PLACES = {"after-docker": 15, "after-builder": 35, "after-images": 45, "before-seal": 85}
"""Where a user's step can run, and the number that puts it there."""


@dataclass(frozen=True)
class OwnFiles:
    """The files beside one spec.

    Attributes:
        directory: Where they are; the warm build's folder is beside them.
        steps: The user's steps, by the path that they have in the recipe.
        checks: The user's checks, by their names.
    """

    directory: Path
    steps: Mapping[str, bytes]
    checks: Mapping[str, bytes]


def read(image: Path) -> OwnFiles:
    """Read ``steps/PLACE-NAME.sh`` and ``checks/NAME.sh`` beside a spec.

    Args:
        image: The image's directory, or its image.toml.

    Raises:
        SpecError: A file that is at no known place, has no proper name, or cannot be read.
    """
    directory = image.parent if image.suffix == ".toml" else image
    faults: list[str] = []
    steps: dict[str, bytes] = {}
    for file, named in _named(directory / "steps", rf"({'|'.join(PLACES)})(-[a-z0-9-]+)?\.sh"):
        if named is None:
            faults.append(
                f"{file}: is at no known place; allowed: PLACE.sh and PLACE-NAME.sh, where PLACE"
                f" is one of {', '.join(PLACES)}"
            )
        else:
            _take(file, f"steps/{PLACES[named[1]]}-{file.name}", steps, faults)
    checks: dict[str, bytes] = {}
    for file, named in _named(directory / "checks", r"([a-z0-9][a-z0-9-]*)\.sh"):
        if named is None:
            faults.append(f"{file}: is no check; allowed: NAME.sh of a-z, 0-9 and -")
        else:
            _take(file, named[1], checks, faults)
    if faults:
        raise SpecError("\n".join(faults))
    return OwnFiles(directory, steps, checks)


def _named(folder: Path, pattern: str) -> Iterator[tuple[Path, re.Match[str] | None]]:
    for file in sorted(folder.glob("*")):
        yield file, re.fullmatch(pattern, file.name)


def _take(file: Path, name: str, into: dict[str, bytes], faults: list[str]) -> None:
    try:
        into[name] = file.read_bytes()
    except OSError as error:
        faults.append(f"{file}: cannot be read: {error.strerror}")
