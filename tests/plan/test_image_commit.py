"""The commit that an image names: by annotations before labels, for the pinned digest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amikiln.errors import PreflightError
from amikiln.model.plan import PinnedImage
from amikiln.plan.image_commit import find_commit
from amikiln.plan.registry_access import RegistryAccess

ACCESS = RegistryAccess(Path("/c"), Path("/c/conf"))
LABEL = "org.opencontainers.image.revision"
IMAGE = PinnedImage("host/a:latest", f"sha256:{'1' * 64}")
CHILD = f"sha256:{'2' * 64}"
FIRST, SECOND, THIRD = "a" * 40, "b" * 40, "c" * 64


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.delenv("CONTAINERS_REGISTRIES_CONF", raising=False)
    return folder


def serve(folder: Path, index: Any, manifest: Any, labels: Any) -> None:
    """Let skopeo answer for the image's digest, for that of its platform, and its configuration."""
    answers = {"index": index, "manifest": manifest, "config": {"config": {"Labels": labels}}}
    for name, content in answers.items():
        (folder / name).write_text(json.dumps(content))
    (folder / "skopeo").write_text(
        "#!/bin/sh\n"
        f'case "$*" in\n*--config*{CHILD}) cat {folder}/config;;\n'
        f"*{CHILD}) cat {folder}/manifest;;\n*{IMAGE.digest}) cat {folder}/index;;\n"
        "*) echo unexpected: $* >&2; exit 1;;\nesac\n"
    )
    (folder / "skopeo").chmod(0o755)


def index(**annotations: str) -> dict[str, Any]:
    platform = {"os": "linux", "architecture": "amd64"}
    return {"manifests": [{"digest": CHILD, "platform": platform}], "annotations": annotations}


@pytest.mark.parametrize(
    ("of_index", "of_manifest", "labels", "commit"),
    [
        ({LABEL: FIRST}, {LABEL: SECOND}, {LABEL: THIRD}, FIRST),
        ({}, {LABEL: SECOND}, {LABEL: THIRD}, SECOND),
        ({}, None, {LABEL: THIRD}, THIRD),
        ({}, {}, {LABEL: f" {FIRST.upper()}\n"}, FIRST),
    ],
)
def test_annotations_count_before_labels_which_are_inherited(
    programs: Path, of_index: Any, of_manifest: Any, labels: Any, commit: str
) -> None:
    serve(programs, index(**of_index), {"annotations": of_manifest}, labels)
    assert find_commit(IMAGE, LABEL, "x86_64", ACCESS) == commit


def test_another_label_can_be_named(programs: Path) -> None:
    serve(programs, index(), {}, {"ai.vllm.build.commit": FIRST, LABEL: SECOND})
    assert find_commit(IMAGE, "ai.vllm.build.commit", "x86_64", ACCESS) == FIRST


@pytest.mark.parametrize("labels", [None, {}, {"other": FIRST}])
def test_an_image_that_names_no_commit_is_a_fault(programs: Path, labels: Any) -> None:
    serve(programs, index(note="x"), {}, labels)
    with pytest.raises(PreflightError, match=rf"no annotation and no label {LABEL}; it has .*note"):
        find_commit(IMAGE, LABEL, "x86_64", ACCESS)


@pytest.mark.parametrize("value", ["unknown", "main", FIRST[:12], "", f"{FIRST}-dirty"])
def test_a_value_that_is_no_commit_is_a_fault(programs: Path, value: str) -> None:
    serve(programs, index(), {}, {LABEL: value})
    with pytest.raises(PreflightError, match=rf"its label {LABEL} is '{value}', and no commit"):
        find_commit(IMAGE, LABEL, "x86_64", ACCESS)


def test_without_skopeo_buildx_is_asked(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(programs, {"annotations": {}}, {}, {})
    (programs / "skopeo").unlink()
    monkeypatch.setenv("PATH", str(programs))
    (programs / "config").write_text(json.dumps({"config": {"Labels": {LABEL: FIRST}}}))
    inspect = "--config /c buildx imagetools inspect"
    (programs / "docker").write_text(
        f'#!/bin/sh\n[ "$*" = "{inspect} --raw {IMAGE.by_digest}" ] &&'
        f" read -r answer <{programs}/index\n"
        f'[ "$*" = "{inspect} --format {{{{json .Image}}}} {IMAGE.by_digest}" ] &&'
        f' read -r answer <{programs}/config\necho "$answer"\n'
    )
    (programs / "docker").chmod(0o755)
    assert find_commit(IMAGE, LABEL, "x86_64", ACCESS) == FIRST
