"""The shape of the source that CONTRIBUTING.md draws, and of its tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src"
MODULES = sorted(SOURCE.rglob("*.py"))
LONGEST_FILE_LINES = 300
MOST_FILES_AT_THE_TOP = 6
STAGES = ("plan", "bake", "verify", "publish", "rollout", "retire")

FLOORS = (
    ("amikiln.version", "amikiln.errors"),
    ("amikiln.runtime", "amikiln.spec"),
    ("amikiln.aws", "amikiln.model"),
    ("amikiln.recipe", "amikiln.session"),
    ("amikiln.catalog",),
    ("amikiln.machine",),
    tuple(f"amikiln.{stage}" for stage in STAGES),
    ("amikiln.doctor", "amikiln.export", "amikiln.report", "amikiln.pipeline"),
    ("amikiln",),  # the public face, which loads its names from the rooms below
    ("amikiln.cli",),
    ("amikiln.__main__",),
)
"""From the ground up: a room imports from its own floor's own room, and from those below."""

LOCAL_CLOUD_FLOORS = (
    (
        "amikiln_localcloud",
        "amikiln_localcloud.home",
        "amikiln_localcloud.children",
        "amikiln_localcloud.extra",
    ),
    ("amikiln_localcloud.machines", "amikiln_localcloud.registry"),
    (
        "amikiln_localcloud.api",
        "amikiln_localcloud.daemon_record",
        "amikiln_localcloud.materials",
    ),
    ("amikiln_localcloud.daemon", "amikiln_localcloud.control"),
    ("amikiln_localcloud.variables",),
    ("amikiln_localcloud.cli",),
    ("amikiln_localcloud.entry_point",),
)


def module_of(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


KNOWN = {module_of(file): file for file in MODULES}


def imported(file: Path) -> Iterator[str]:
    """Yield every module of the project that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in KNOWN)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if full in KNOWN or node.module in KNOWN:
                    yield full if full in KNOWN else str(node.module)


def room_of(module: str) -> str:
    """Return the folder, or the file at the top, that a module is in."""
    return ".".join(module.split(".")[:2])


def floors_of(module: str) -> dict[str, int]:
    package = module.split(".")[0]
    floors = FLOORS if package == "amikiln" else LOCAL_CLOUD_FLOORS
    return {room: floor for floor, rooms in enumerate(floors) for room in rooms}


@pytest.mark.parametrize("module", KNOWN)
def test_imports_lead_down(module: str) -> None:
    floors, room = floors_of(module), room_of(module)
    assert room in floors, f"{room} has no floor"
    for other in imported(KNOWN[module]):
        if other.split(".")[0] == module.split(".")[0] and room_of(other) != room:
            assert floors[room_of(other)] < floors[room], f"{module} imports {other}"


def test_no_circle_of_imports() -> None:
    """Not between files either, and not for type checking alone."""
    open_, done = [], set()

    def visit(module: str) -> None:
        assert module not in open_, " -> ".join([*open_[open_.index(module) :], module])
        if module in done:
            return
        open_.append(module)
        for other in imported(KNOWN[module]):
            # A room's __init__ that hands on names on use is no arrow between its files.
            if other != module:
                visit(other)
        open_.pop()
        done.add(module)

    for module in KNOWN:
        visit(module)


@pytest.mark.parametrize("module", [name for name in KNOWN if name.split(".")[0] == "amikiln"])
def test_the_pipeline_does_not_name_the_local_cloud(module: str) -> None:
    assert "amikiln_localcloud" not in KNOWN[module].read_text()


FILES = KNOWN | {str(file.relative_to(TESTS.parent)): file for file in TESTS.rglob("*.py")}


@pytest.mark.parametrize("name", sorted(FILES))
def test_files_have_one_job(name: str) -> None:
    assert len(FILES[name].read_text().splitlines()) <= LONGEST_FILE_LINES


def test_few_files_at_the_top() -> None:
    assert len(list((SOURCE / "amikiln").glob("*.py"))) <= MOST_FILES_AT_THE_TOP
