"""The spec: faults named all at once, in words; the overlay; the document's values."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from amikiln import spec_file as spec
from amikiln.errors import SpecError
from pretend_tools import spec_values

CASES = sorted((Path(__file__).parent / "cases" / "spec").glob("*.toml"))
ORIGINALS_IMAGE = Path(__file__).parent.parent / "images" / "cpu-build"


def changed(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in change.items():
        below = result.get(key)
        merge = isinstance(below, Mapping) and isinstance(value, Mapping) and value
        result[key] = changed(below, value) if merge else value  # type: ignore[arg-type]
    return result


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_fault_is_named_with_key_value_and_what_is_allowed(case: Path) -> None:
    wanted = tomllib.loads(case.read_text())
    with pytest.raises(SpecError) as caught:
        spec.parse(changed(spec_values(), wanted["change"]), origin="image.toml")
    assert caught.value.what.splitlines() == [f"image.toml: {line}" for line in wanted["faults"]]


def test_all_faults_are_named_at_once() -> None:
    everything: dict[str, Any] = {}
    faults: list[str] = []
    for case in CASES:
        wanted = tomllib.loads(case.read_text())
        key = next(iter(wanted["change"]))
        if key not in everything:
            everything = changed(everything, wanted["change"])
            faults += wanted["faults"]
    with pytest.raises(SpecError) as caught:
        spec.parse(changed(spec_values(), everything), origin="image.toml")
    assert len(faults) > 8
    assert sorted(caught.value.what.splitlines()) == sorted(f"image.toml: {f}" for f in faults)


def test_the_documents_image_has_the_documents_values() -> None:
    found = spec.load(ORIGINALS_IMAGE)
    assert found.docker.images == ("public.ecr.aws/q9t5s3a7/vllm-ci-postmerge-repo:latest",)
    assert (found.buildkit.max_parallelism, found.buildkit.gc) == (16, False)
    assert (found.buildkit.builder, found.buildkit.owner) == (
        "baked-vllm-builder",
        "buildkite-agent",
    )
    assert (found.volume.iops, found.volume.throughput_mib) == (6000, 500)
    assert found.pointer == "/buildkite/cpu-build-ami/us-east-1"
    assert found.publish.data_type == "aws:ec2:image"
    assert found.deprecate_days == 7


def test_local_values_are_laid_over_table_by_table() -> None:
    local = spec.load(ORIGINALS_IMAGE, local=True)
    assert local.docker.images[0].startswith("registry.amikiln.internal/")
    assert local.buildkit.max_parallelism == 16
    assert spec.load(ORIGINALS_IMAGE).docker.images[0].startswith("public.ecr.aws/")


@pytest.mark.parametrize(
    "reference",
    ["debian:13", "host:5000/a/b:latest", "public.ecr.aws/q9t5s3a7/x_y__z-w.v:1.2_3", "a/b:v1"],
)
def test_ordinary_references_are_allowed(reference: str) -> None:
    values = spec_values(docker={"images": [reference]})
    assert spec.parse(values, origin="x").docker.images == (reference,)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"there is no .*/nothing/image\.toml"):
        spec.load(tmp_path / "nothing")


def test_what_is_not_toml_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "image.toml").write_text("name = \n")
    with pytest.raises(SpecError, match=r"is not TOML: .*line 1"):
        spec.load(tmp_path)


def test_a_local_value_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "image.toml").write_text('local = "yes"\n')
    with pytest.raises(SpecError, match="local: has to be a table"):
        spec.load(tmp_path, local=True)
