"""Tags to digests: by skopeo, or by buildx where there is none."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from amikiln.errors import PreflightError
from amikiln.model.plan import Layer
from amikiln.plan import registries
from amikiln.plan.registry_access import RegistryAccess

ACCESS = RegistryAccess(Path("/c"), Path("/c/conf"))
MANIFEST = '{"schemaVersion":2}'
DIGEST = f"sha256:{hashlib.sha256(MANIFEST.encode()).hexdigest()}"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, beside the system's own without skopeo and docker."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CONTAINERS_REGISTRIES_CONF", raising=False)
    return tmp_path


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{folder}/calls\n{script}\n')
    (folder / name).chmod(0o755)


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def test_skopeo_is_asked_first(programs: Path) -> None:
    for name in ("skopeo", "docker"):
        program(programs, name, f"printf %s '{MANIFEST}'")
    (pinned,) = registries.pin(["host/a:1"], ACCESS)
    assert (pinned.reference, pinned.digest) == ("host/a:1", DIGEST)
    assert calls(programs) == [
        "skopeo --registries-conf /c/conf inspect --authfile /c/config.json --raw docker://host/a:1"
    ]


def test_without_skopeo_buildx_is_asked(programs: Path) -> None:
    program(programs, "docker", f"printf %s '{MANIFEST}'")
    (pinned,) = registries.pin(["host/a:1"], ACCESS)
    assert pinned.digest == DIGEST
    assert calls(programs) == ["docker --config /c buildx imagetools inspect --raw host/a:1"]


def layer(letter: str, size: int, kind: str = "tar.gzip", **annotations: str) -> dict[str, object]:
    return {
        "mediaType": f"application/vnd.docker.image.rootfs.diff.{kind}",
        "digest": f"sha256:{letter * 64}",
        "size": size,
        **({"annotations": annotations} if annotations else {}),
    }


INDEX = {
    "manifests": [
        {"digest": f"sha256:{'2' * 64}", "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": f"sha256:{'1' * 64}", "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": f"sha256:{'3' * 64}", "platform": {"os": "unknown", "architecture": "unknown"}},
    ]
}


def serve(folder: Path, **manifests: object) -> None:
    """Let skopeo answer with a manifest by the last letter of the reference."""
    cases = "".join(
        f"*{end}) printf %s '{json.dumps(manifest)}' ;;\n" for end, manifest in manifests.items()
    )
    program(folder, "skopeo", f"case $7 in\n{cases}esac")


def test_layers_are_those_of_the_machine_s_platform_and_compressed_ones_count_threefold(
    programs: Path,
) -> None:
    known = {registries.UNPACKED_SIZE: "777"}
    layers = [layer("a", 100), layer("b", 50, "tar"), layer("c", 10, **known)]
    manifests = {"x": INDEX, "1" * 9: {"layers": layers}, "2" * 9: {"layers": [layer("d", 7)]}}
    serve(programs, **manifests)
    (pinned,) = registries.pin(["host/a:x"], ACCESS)
    assert pinned.digest == f"sha256:{hashlib.sha256(json.dumps(INDEX).encode()).hexdigest()}"
    assert pinned.layers == (
        Layer(f"sha256:{'a' * 64}", 100, 300),
        Layer(f"sha256:{'b' * 64}", 50, 50),
        Layer(f"sha256:{'c' * 64}", 10, 777),
    )
    (on_arm,) = registries.pin(["host/a:x"], ACCESS, "arm64")
    assert on_arm.layers == (Layer(f"sha256:{'d' * 64}", 7, 21),)
    assert on_arm.digest == pinned.digest


@pytest.mark.parametrize(
    ("manifest", "fault"),
    [
        ({"manifests": INDEX["manifests"][:1]}, "has no image for linux/amd64, only for linux/arm"),
        ({"manifests": []}, "has no image for linux/amd64"),
        ([], "its manifest is no JSON object"),
    ],
)
def test_an_image_that_no_machine_of_the_architecture_could_pull_is_a_fault(
    manifest: object, fault: str, programs: Path
) -> None:
    serve(programs, x=manifest)
    with pytest.raises(PreflightError, match=f"^host/a:x: {fault}"):
        registries.pin(["host/a:x"], ACCESS)


def test_a_manifest_without_sizes_gives_no_layers(programs: Path) -> None:
    serve(programs, x={"schemaVersion": 1, "fsLayers": []}, y={"layers": [{"digest": "a"}]})
    assert [image.layers for image in registries.pin(["host/a:x", "host/a:y"], ACCESS)] == [(), ()]


def test_all_that_no_registry_knows_is_named_at_once(programs: Path) -> None:
    program(programs, "docker", 'echo "$7: not found" >&2; exit 1')
    with pytest.raises(PreflightError) as error:
        registries.pin(["host/a:1", "host/b:2"], ACCESS)
    assert error.value.what.splitlines() == [
        "no digest for host/a:1: host/a:1: not found",
        "no digest for host/b:2: host/b:2: not found",
    ]


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("reading manifest x in r.example/cache: unauthorized: authentication required", True),
        ("reading manifest x in r.example/cache: denied: requested access is denied", True),
        ("pinging container registry r.example: dial tcp: no such host", True),
        ("reading manifest x in r.example/cache: manifest unknown", False),
        ("r.example/cache:x: not found", False),
    ],
)
def test_a_cache_that_cannot_be_read_is_a_fault_and_an_empty_one_is_not(
    programs: Path, answer: str, fault: bool
) -> None:
    program(programs, "skopeo", f'echo "{answer}" >&2; exit 1')
    sources = ["type=registry,ref=r.example/cache:x", "type=local,src=cache", "type=gha"]
    found = list(registries.find_cache_faults(sources, ACCESS))
    assert found == ([(sources[0], answer)] if fault else [])
    assert len(calls(programs)) == 1
