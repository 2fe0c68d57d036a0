"""The shape of the source that design.md promises."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "amikiln"
LONGEST_FILE_LINES = 300
MODULES = sorted(SOURCE.rglob("*.py"))
STAGES = ("plan", "bake", "verify", "publish", "rollout", "sweep")


def imported(file: Path) -> set[str]:
    """Return every module and name that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def name_of(file: Path) -> str:
    return file.relative_to(SOURCE).as_posix()


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_only_the_command_line_knows_the_local_cloud(file: Path) -> None:
    if "localcloud" in file.parts or file.name.startswith("cli"):
        return
    reached = {name for name in imported(file) if name.startswith("amikiln.localcloud")}
    assert reached == set()


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_imports_another(stage: str) -> None:
    others = {f"amikiln.{other}" for other in STAGES if other != stage}
    reached = {
        name
        for name in imported(SOURCE / f"{stage}.py")
        if any(name == other or name.startswith(f"{other}.") for other in others)
    }
    assert reached == set()


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_files_have_one_job(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= LONGEST_FILE_LINES
