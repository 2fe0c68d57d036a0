"""The user's own files beside image.toml: steps of the recipe, and checks of the image."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

PLACES = {"after-docker": 15, "after-builder": 35, "after-images": 45, "before-seal": 85}
"""Where a user's step can run, and the number that puts it there."""

STEP_NAME = rf"({'|'.join(PLACES)})(-[a-z0-9-]+)?\.sh"
CHECK_NAME = r"([a-z0-9][a-z0-9-]*)\.sh"

LEFT_OUT = re.compile(r"\..*|#.*#|.*~|.*\.(bak|orig|rej|swp|swo|tmp)|README(\..*)?|.*\.md")
"""What is neither step nor check and may lie beside them: hidden files, what editors and merges
leave, and text for people. Every other file is one, or a fault."""
LEFT_OUT_WORDS = "hidden files, backups (NAME~, .bak, .orig, .rej, .swp, .tmp), README and *.md"

BUILT_IN_CHECKS = frozenset(
    {
        "boot-finished",
        "builder-answers",
        "builder-configured",
        "builder-up",
        "builds-are-warm",
        "checkouts-match",
        "docker-as-baked",
        "fleet-boot",
        "images-present",
        "jobs-find-builder",
        "manifest-as-planned",
        "no-secrets",
        "nothing-prunes",
        "room-on-disk",
        "stack-complete",
        "store-kept",
    }
)
"""The names of verify's own checks, which a user's check may not have: a test compares them."""

SHELL = re.compile(
    r"#!\s*(/usr/bin/env\s+(-S\s+)?)?(\S*/)?(sh|dash|ash|bash|ksh|busybox\s+sh)(\s|$)"
)
"""First lines of scripts that sh can be expected to run."""


def read_steps(directory: Path, faults: list[str]) -> dict[str, bytes]:
    """Read ``steps/PLACE-NAME.sh``.

    Args:
        directory: The image's.
        faults: Gets a line for each file that has no allowed name or cannot be read, or that sh
            would not run as it is meant.

    Returns:
        The steps' content, by the paths that they have in the recipe.
    """
    steps: dict[str, bytes] = {}
    for file, match in _list_files(directory / "steps", STEP_NAME, faults):
        if match is None:
            faults.append(
                f"{file}: is at no known place; allowed: PLACE.sh and PLACE-NAME.sh, where PLACE"
                f" is one of {', '.join(PLACES)}; left out are {LEFT_OUT_WORDS}"
            )
        else:
            _read(file, f"steps/{PLACES[match[1]]}-{file.name}", steps, faults)
    return steps


def read_checks(directory: Path, faults: list[str]) -> dict[str, bytes]:
    """Read ``checks/NAME.sh``.

    Args:
        directory: The image's.
        faults: Gets a line for each file that has no allowed name or cannot be read, or that sh
            would not run as it is meant.

    Returns:
        The checks' content, by their names.
    """
    checks: dict[str, bytes] = {}
    for file, match in _list_files(directory / "checks", CHECK_NAME, faults):
        if match is None:
            faults.append(
                f"{file}: is no check; allowed: NAME.sh of a-z, 0-9 and -; left out are"
                f" {LEFT_OUT_WORDS}"
            )
        elif match[1] in BUILT_IN_CHECKS:
            faults.append(f"{file}: {match[1]} is the name of a built-in check: choose another")
        else:
            _read(file, match[1], checks, faults)
    return checks


def name_step(path: str) -> str:
    """Return the user's file of a step, by the path that it has in the recipe."""
    return f"steps/{path.partition('-')[2]}"


def name_check(name: str) -> str:
    """Return the user's file of a check, by the check's name."""
    return f"checks/{name}.sh"


def _list_files(
    folder: Path, pattern: str, faults: list[str]
) -> Iterator[tuple[Path, re.Match[str] | None]]:
    """Yield the files of a folder, if it exists; one without any is a fault, as is its like."""
    for other in folder.parent.glob("*"):
        if other.name != folder.name and other.name.lower().rstrip("s") == folder.name.rstrip("s"):
            faults.append(f"{other}: is not read; the folder is called {folder.name}")
    if not folder.exists() and not folder.is_symlink():
        return
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        faults.append(f"{folder}: is no folder that can be read: {error.strerror}")
        return
    left_out = [file.name for file in files if LEFT_OUT.fullmatch(file.name)]
    files = [file for file in files if file.name not in left_out]
    if not files:
        but = f" but for what is left out ({', '.join(left_out)})" if left_out else ""
        faults.append(f"{folder}: is empty{but}: write what belongs there, or remove it")
    for file in files:
        yield file, re.fullmatch(pattern, file.name)


def _read(file: Path, name: str, into: dict[str, bytes], faults: list[str]) -> None:
    if fault := _find_misplaced(file):
        faults.append(f"{file}: {fault}")
        return
    try:
        content = file.read_bytes()
    except OSError as error:
        faults.append(f"{file}: cannot be read: {error.strerror}")
        return
    if fault := _find_fault(content):
        faults.append(f"{file}: {fault}")
    else:
        into[name] = content


def _find_misplaced(file: Path) -> str | None:
    """Return why a directory's entry is no file of the image, or None."""
    if file.is_symlink():
        target, image = file.resolve(), file.parent.parent.resolve()
        if not target.is_relative_to(image):
            return (
                f"is a link to {target}, outside of the image's folder, where another checkout may"
                " have something else: copy the file"
            )
    if file.is_dir():
        return "is a directory, which is not looked into: move its files up, or remove it"
    # To read from a pipe or a device could take for ever.
    if file.exists() and not file.is_file():
        return "is no regular file"
    return None


def _find_fault(script: bytes) -> str | None:
    """Return why a machine's shell would not run a script as it is meant, or None."""
    if script.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)):
        return "begins with a byte order mark, which a shell takes for a command: save it without"
    try:
        script.decode()
    except UnicodeDecodeError as error:
        return f"is not UTF-8 (byte {error.start}): save it as UTF-8"
    if b"\0" in script:
        return "holds a NUL byte, so it is no shell script"
    if b"\r\n" in script or script.endswith(b"\r") or (b"\r" in script and b"\n" not in script):
        return (
            "has CRLF line ends, which a shell takes for a part of each command: save it with LF"
            " (in git: `*.sh text eol=lf` in .gitattributes)"
        )
    first = script.splitlines()[0].decode() if script else ""
    if first.startswith("#!") and not SHELL.match(first):
        return f"begins with {first}, but is run by sh -eu: write it for sh"
    if not any(line.strip() and not line.lstrip().startswith(b"#") for line in script.splitlines()):
        return "has no command, so it would do and prove nothing: write one, or remove it"
    return None
