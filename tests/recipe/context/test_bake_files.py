"""What bake files say for certain of their targets; what buildx alone can tell is left to it."""

from __future__ import annotations

import json

import pytest

from amikiln.recipe.context.bake_files import Target, find_targets

# As vLLM's: https://github.com/vllm-project/vllm/blob/main/docker/docker-bake.hcl
HCL = """
variable "COMMIT" { default = "" }
group "default" { targets = ["openai"] }
group "all" { targets = ["default", "test"] }
target "_common" {
  dockerfile = "docker/Dockerfile"
  context    = "."
}
target "test" { inherits = ["_common"] }
target "openai" {
  inherits = ["_common"]
  args = { REVISION = COMMIT != "" ? COMMIT : "unknown" }
}
target "docs" { context = "docs" }
target "elsewhere" { context = "https://example.org/a.git#main" }
target "computed" { dockerfile = "docker/${COMMIT}" }
"""
TEST, OPENAI = (Target(name, ".", "docker/Dockerfile") for name in ("test", "openai"))


def find(wanted: list[str], *files: tuple[str, str]) -> tuple[list[Target], list[str]]:
    faults: list[str] = []
    encoded = [(name, content.encode()) for name, content in files]
    return find_targets(encoded, wanted, faults), faults


@pytest.mark.parametrize(
    ("wanted", "targets"),
    [
        (["test"], [TEST]),
        (["default"], [OPENAI]),
        (["all"], [OPENAI, TEST]),
        (["docs"], [Target("docs", "docs", "Dockerfile")]),
        (["elsewhere"], [Target("elsewhere", None, "Dockerfile")]),
        (["computed"], [Target("computed", ".", None)]),
        (["tes*"], [TEST]),
    ],
)
def test_targets_are_found_through_groups_and_inherit(
    wanted: list[str], targets: list[Target]
) -> None:
    assert find(wanted, ("docker-bake.hcl", HCL)) == (targets, [])


def test_an_overlay_is_merged_over_the_files_before_it() -> None:
    overlay = json.dumps(
        {"target": {"test-ci": {"inherits": ["test"]}, "test": {"dockerfile": "ci/Dockerfile"}}}
    )
    found = find(["test-ci"], ("docker-bake.hcl", HCL), ("ci.json", overlay))
    assert found == ([Target("test-ci", ".", "ci/Dockerfile")], [])


def test_a_target_that_is_nowhere_is_a_fault() -> None:
    targets, faults = find(["tset"], ("docker-bake.hcl", HCL))
    assert targets == []
    assert "there is no target tset in the bake files; they have _common, all, " in faults[0]


COMPOSE = """
services:
  db: {image: "postgres:16"}
  web: {build: ./web}
  api:
    build: {context: api, dockerfile: "Dockerfile.${KIND}"}
"""


def test_a_compose_file_s_services_are_targets_of_its_default() -> None:
    assert find(["default"], ("compose.yaml", COMPOSE)) == (
        [Target("web", "./web", "Dockerfile"), Target("api", "api", None)],
        [],
    )


@pytest.mark.parametrize(
    "file",
    [
        ("bake.hcl", 'target "a" {'),
        ("bake.json", "["),
        ("bake.json", "1"),
        ("compose.yml", "services: ["),
        ("compose.yml", "- a"),
        ("Bakefile", HCL),
        ("bake.hcl", 'target "a" {\n matrix = { n = ["x"] }\n name = "a-${n}"\n}'),
    ],
)
def test_what_cannot_be_told_is_no_fault(file: tuple[str, str]) -> None:
    assert find(["a-x"], file) == ([], [])
