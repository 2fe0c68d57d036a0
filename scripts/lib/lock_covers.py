"""Checks, without network, whether requirements.lock still covers pyproject.toml.

Follows the requirements from pyproject.toml through the packages installed in .venv, and checks
that the lock pins each of them, with a hash, to a version that every dependent accepts.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PIN = re.compile(
    r"^([\w.-]+)==(\S+)(?: ; (.+?))? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M
)


def read_pins(lock: str) -> dict[str, set[str]]:
    """Return the pinned versions by name; several if they differ between Python versions."""
    found: dict[str, set[str]] = {}
    for name, version, _, _ in PIN.findall(lock):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


def find_faults(project: dict[str, list[str]], lock: str) -> list[str]:
    """Return a message for each requirement that the lock does not cover.

    Args:
        project: Requirements, by the name of their origin to show in messages.
        lock: The lock file's text.
    """
    pinned = read_pins(lock)
    found: list[str] = []
    seen: set[tuple[str, str]] = set()
    waiting = [(asker, Requirement(text)) for asker, texts in project.items() for text in texts]
    while waiting:
        asker, wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        fitting = {
            v for v in pinned.get(name, ()) if wanted.specifier.contains(v, prereleases=True)
        }
        if not fitting:
            found.append(f"{asker} requires {wanted}, the lock has {pinned.get(name) or 'nothing'}")
            continue
        for extra in {"", *wanted.extras} - {extra for key, extra in seen if key == name}:
            seen.add((name, extra))
            for text in metadata.requires(name) or ():
                nested = Requirement(text)
                if nested.marker is None or nested.marker.evaluate({"extra": extra}):
                    waiting.append((name, nested))
    return found


def main(project_file: str, lock_file: str) -> int:
    project = tomllib.loads(Path(project_file).read_text())["project"]
    asked = {project_file: project["dependencies"]}
    asked |= {
        f"{project_file} [{extra}]": texts
        for extra, texts in project["optional-dependencies"].items()
    }
    lines = find_faults(asked, Path(lock_file).read_text())
    for line in sorted(lines):
        print(f"{lock_file}: {line}", file=sys.stderr)
    if lines:
        print("run scripts/lock to update it", file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
