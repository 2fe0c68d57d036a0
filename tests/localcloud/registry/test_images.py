"""Where images come from: copied, made, or one clear failure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.localcloud.registry.conftest import FakeProgram

from amikiln.errors import LocalCloudError
from amikiln.runtime import process
from amikiln_localcloud.registry import images, oci, tree
from fakes import Recorder


def test_the_public_image_is_taken_where_it_can_be_reached(
    tmp_path: Path, fake_program: FakeProgram, report: Recorder
) -> None:
    public = tmp_path / "public"
    public.mkdir()
    oci.write_layout(public, "v0.26.3", [{"real": tree.text("real")}], oci.ImageConfig())
    script = f"""
    for target; do :; done
    target=${{target#oci:}}
    case "$*" in *" copy "*) cp -r {public}/. "${{target%:*}}" ;; esac
    """
    fake_program("skopeo", script)
    made = images.make_buildkit(tmp_path / "cache", report)
    assert made.digest == oci.read_digest(public)


def test_without_registry_and_packages_one_failure_says_so(
    tmp_path: Path, fake_program: FakeProgram, report: Recorder
) -> None:
    fake_program("skopeo", """echo 'time="x" level=fatal msg="no such host"' >&2; exit 1""")
    fake_program("go", "echo go version go1.25.0; [ $1 = version ]")
    with pytest.raises(LocalCloudError, match="neither be copied nor made: go exited with 1"):
        images.make_buildkit(tmp_path / "cache", report)
    assert any("(no such host)" in line for line in report.said)
    assert not list((tmp_path / "cache").glob("image-*"))


def test_a_ci_image_that_cannot_be_made_says_so(
    tmp_path: Path, fake_program: FakeProgram, report: Recorder
) -> None:
    fake_program("mmdebstrap", "echo 'E: cannot fetch' >&2; exit 1")
    with pytest.raises(LocalCloudError, match=r"small CI image v1 .* cannot fetch"):
        images.make_ci_image(1, tmp_path / "cache", report)


def test_the_second_ci_image_has_one_layer_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: Recorder
) -> None:
    monkeypatch.setattr(
        tree,
        "unpack_packages",
        lambda packages: {f"usr/bin/{name}": tree.program(name.encode()) for name in packages},
    )
    made = [images.make_ci_image(number, tmp_path / "cache", report) for number in (1, 2)]
    layers = [
        json.loads(process.run(["skopeo", "inspect", "--raw", f"oci:{i.layout}:{i.tag}"]).stdout)[
            "layers"
        ]
        for i in made
    ]
    assert layers[1][:1] == layers[0]
    assert len(layers[1]) == 2
    assert made[0].digest != made[1].digest
