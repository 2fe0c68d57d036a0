"""What a context lacks is named before anything is made; what cannot be told is not refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from amikiln.recipe.context.faults import find_faults
from amikiln.spec.content import Warm

OUTSIDE = {"bake-files/2-ci.hcl": b'target "ci" { dockerfile = "Gone" }'}


def look(root: Path, **build: object) -> list[str]:
    faults = find_faults(root, "it", Warm.model_validate({"context": "warm", **build}), OUTSIDE)
    return [fault.removeprefix("it: ") for fault in faults]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "root"
    (place / "docker").mkdir(parents=True)
    (place / "docker" / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    return place


def bake(root: Path, **attributes: str) -> None:
    body = "\n".join(f'{name} = "{value}"' for name, value in attributes.items())
    (root / "docker-bake.hcl").write_text(f'target "default" {{\n{body}\n}}\n')


def test_a_dockerfile_has_to_be_a_file_of_the_context(root: Path) -> None:
    (root / "out").symlink_to("../Dockerfile")
    (root / "dangling").symlink_to("gone")
    (root / "inside").symlink_to("docker/Dockerfile")
    assert look(root, dockerfile="docker/Dockerfile") == []
    assert look(root, dockerfile="inside") == []
    assert look(root, dockerfile="Dockerfile") == ["has no file Dockerfile (warm.dockerfile)"]
    assert look(root, dockerfile="docker") == ["docker (warm.dockerfile) is no file"]
    assert "leads out of the folder" in look(root, dockerfile="out")[0]
    assert "where its link leads to gone" in look(root, dockerfile="dangling")[0]


def test_a_dockerfile_that_is_ignored_is_one_all_the_same(root: Path) -> None:
    (root / ".dockerignore").write_text("docker\n")
    assert look(root, dockerfile="docker/Dockerfile") == []


def test_without_bake_files_one_that_buildx_looks_for_has_to_be_there(root: Path) -> None:
    assert "none of the bake files that buildx looks for" in look(root)[0]
    bake(root, dockerfile="docker/Dockerfile")
    assert look(root) == []
    (root / "docker-bake.override.hcl").write_text('target "default" { dockerfile = "Gone" }')
    assert look(root) == ["has no file Gone (the Dockerfile of target default)"]


def test_a_target_s_dockerfile_is_looked_for_in_the_target_s_context(root: Path) -> None:
    bake(root, context="docker")
    assert look(root) == []
    bake(root, context="docker", dockerfile="docker/Dockerfile")
    assert look(root) == ["has no file docker/docker/Dockerfile (the Dockerfile of target default)"]
    bake(root, context="docker", dockerfile="../../Dockerfile")
    assert "leads out of the folder" in look(root)[0]


@pytest.mark.parametrize(
    ("context", "why"),
    [("gone", "is no folder"), ("..", "leaves the folder"), ("/srv", "an absolute path")],
)
def test_a_target_s_context_has_to_be_a_folder_that_is_sent(
    root: Path, context: str, why: str
) -> None:
    bake(root, context=context)
    assert why in look(root)[0]


def test_a_missing_bake_file_and_a_missing_target_are_named(root: Path) -> None:
    bake(root, dockerfile="docker/Dockerfile")
    assert look(root, bake_files=["docker-bake.hcl", "ci.hcl"]) == [
        "has no file ci.hcl (warm.bake_files)"
    ]
    assert "there is no target test" in look(root, targets=["test"])[0]


def test_a_bake_file_from_elsewhere_is_looked_into_as_well(root: Path) -> None:
    bake(root, dockerfile="docker/Dockerfile")
    files = ["docker-bake.hcl", {"beside": "ci.hcl"}]
    assert look(root, bake_files=files) == []
    assert look(root, bake_files=files, targets=["ci"]) == [
        "has no file Gone (the Dockerfile of target ci)"
    ]
