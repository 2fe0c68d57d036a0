"""Paths on a machine are known to Python, and shell files get them as values."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from amikiln.recipe import paths, render
from fakes import plan

PATHS = {
    name: value
    for name, value in vars(paths).items()
    if name.isupper() and isinstance(value, str) and value.startswith("/")
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_no_shared_file_spells_a_path_out(path: str) -> None:
    for name, content in render.read_shipped_files().items():
        assert path not in content.decode(), name


def test_the_shell_steps_see_the_same_paths(tmp_path: Path) -> None:
    (tmp_path / "values.env").write_bytes(render.render_recipe(plan()).files["values.env"])
    names = [
        "CONTEXT",
        "SECRETS",
        "LOGINS",
        "RECORDS",
        "MANIFEST",
        "WARM_LOG",
        "WARM_SOURCES",
        "BUILDKITD_TOML",
        "PROGRAMS",
    ]
    script = ". ./values.env; " + "; ".join(f'echo "${name}"' for name in names)
    seen = subprocess.run(
        ["sh", "-eu", "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True
    )
    absolute = {path for path in PATHS.values() if path.startswith("/")}
    assert set(seen.stdout.split()) == absolute - {paths.RECIPE_DIRECTORY}
