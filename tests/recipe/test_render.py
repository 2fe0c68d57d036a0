"""The rendered recipe: what is in it, and that values arrive as they are."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
import tomllib

import pytest

from amikiln.recipe import render
from amikiln.runtime import process
from fakes import plan


def test_steps_run_in_the_order_of_their_numbers() -> None:
    steps = render.render_recipe(plan()).steps
    numbers = [int(step.removeprefix("steps/").split("-")[0]) for step in steps]
    assert numbers == sorted(numbers)
    assert len(numbers) == len(set(numbers))
    assert steps[-1] == "steps/97-scan.sh"


def test_every_step_reads_the_library_and_says_in_its_head_what_it_does() -> None:
    for path, content in render.read_shipped_files().items():
        if path.startswith("steps/"):
            first, second, *rest = content.decode().splitlines()
            assert first == "#!/bin/sh", path
            assert second.startswith("# "), path
            assert ". ./lib.sh" in rest, path


@pytest.mark.parametrize(
    "value", ["plain", "two words", "it's", 'a"b', "$(touch x)", "`x`", "a\nb"]
)
def test_hostile_values_arrive_unchanged_in_a_shell(value: str) -> None:
    planned = plan()
    hostile = planned.spec.buildkit.model_copy(update={"builder": value})
    spec = planned.spec.model_copy(update={"buildkit": hostile})
    values = render.render_recipe(dataclasses.replace(planned, spec=spec)).files["values.env"]
    shown = process.run(["sh", "-eu"], input=values + b'printf %s "$BUILDER"\n').stdout
    assert shown.decode() == value


def test_the_configuration_is_the_documents() -> None:
    assert tomllib.loads(render.render_buildkitd_toml(plan().spec)) == {
        "insecure-entitlements": ["network.host"],
        "worker": {"oci": {"max-parallelism": 16, "gc": False}},
    }


def test_plain_http_registries_are_configured() -> None:
    planned = plan(
        buildkit={"builder": "b", "plain_http_registries": ["registry.amikiln.internal:5000"]}
    )
    configured = tomllib.loads(render.render_buildkitd_toml(planned.spec))
    assert configured["registry"] == {"registry.amikiln.internal:5000": {"http": True}}


def test_mirrors_are_the_builders_and_those_of_docker_hub_docker_s() -> None:
    planned = plan(
        mirrors={"docker.io": ["m.example", "p.example"], "quay.io": ["q.example"]},
        buildkit={"builder": "b", "plain_http_registries": ["p.example", "quay.io"]},
    )
    configured = tomllib.loads(render.render_buildkitd_toml(planned.spec))["registry"]
    assert configured == {
        "docker.io": {"mirrors": ["m.example", "p.example"]},
        "quay.io": {"http": True, "mirrors": ["q.example"]},
        "p.example": {"http": True},
    }
    values = render.render_recipe(planned).files["values.env"].decode()
    assert "DOCKER_MIRRORS='https://m.example http://p.example'\n" in values


def test_images_are_listed_by_digest_and_by_tag() -> None:
    planned = plan(docker={"images": ["host:5000/a/b:1", "c:latest"]})
    first, second = render.render_recipe(planned).files["images.list"].decode().splitlines()
    assert first == f"host:5000/a/b@{planned.images[0].digest} host:5000/a/b:1"
    assert second == f"c@{planned.images[1].digest} c:latest"


def test_the_archive_holds_every_file() -> None:
    rendered = render.render_recipe(plan())
    with tarfile.open(fileobj=io.BytesIO(rendered.pack())) as tar:
        held = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]
    assert held == rendered.files


def test_the_planned_part_of_the_manifest_is_json() -> None:
    planned = plan()
    parsed = json.loads(render.render_recipe(planned).files["plan.json"])
    assert parsed == render.describe_plan(planned)
    assert parsed["digest"] == planned.digest
