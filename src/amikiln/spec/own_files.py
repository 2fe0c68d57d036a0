"""The user's own files beside image.toml: steps of the recipe, and checks of the image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

PLACES = {"after-docker": 15, "after-builder": 35, "after-images": 45, "before-seal": 85}
"""Where a user's step can run, and the number that puts it there."""


def read_steps(directory: Path, faults: list[str]) -> dict[str, bytes]:
    """Read ``steps/PLACE-NAME.sh``.

    Args:
        directory: The image's.
        faults: Gets a line for each file that has no allowed name or cannot be read.

    Returns:
        The steps' content, by the paths that they have in the recipe.
    """
    steps: dict[str, bytes] = {}
    for file, match in _list_files(directory / "steps", rf"({'|'.join(PLACES)})(-[a-z0-9-]+)?\.sh"):
        if match is None:
            faults.append(
                f"{file}: is at no known place; allowed: PLACE.sh and PLACE-NAME.sh, where PLACE"
                f" is one of {', '.join(PLACES)}"
            )
        else:
            _read(file, f"steps/{PLACES[match[1]]}-{file.name}", steps, faults)
    return steps


def read_checks(directory: Path, faults: list[str]) -> dict[str, bytes]:
    """Read ``checks/NAME.sh``.

    Args:
        directory: The image's.
        faults: Gets a line for each file that has no allowed name or cannot be read.

    Returns:
        The checks' content, by their names.
    """
    checks: dict[str, bytes] = {}
    for file, match in _list_files(directory / "checks", r"([a-z0-9][a-z0-9-]*)\.sh"):
        if match is None:
            faults.append(f"{file}: is no check; allowed: NAME.sh of a-z, 0-9 and -")
        else:
            _read(file, match[1], checks, faults)
    return checks


def _list_files(folder: Path, pattern: str) -> Iterator[tuple[Path, re.Match[str] | None]]:
    for file in sorted(folder.glob("*")):
        yield file, re.fullmatch(pattern, file.name)


def _read(file: Path, name: str, into: dict[str, bytes], faults: list[str]) -> None:
    try:
        into[name] = file.read_bytes()
    except OSError as error:
        faults.append(f"{file}: cannot be read: {error.strerror}")
