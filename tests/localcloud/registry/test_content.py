"""What the registry is given; that it gets there is test_registry's."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.localcloud.registry.conftest import Notes

from amikiln.errors import LocalCloudError
from amikiln.runtime import process
from amikiln_localcloud.registry import content, images


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    calls: list[str] = []

    def image(name: str) -> images.LocalImage:
        calls.append(name)
        layout = tmp_path / name
        layout.mkdir(exist_ok=True)
        return images.LocalImage(layout, name)

    monkeypatch.setattr(images, "buildkit", lambda cache, report: image("buildkit"))
    monkeypatch.setattr(images, "stand_in", lambda number, *rest: image(f"stand-in-{number}"))
    monkeypatch.setattr(images, "c_toolchain", lambda cache, report: image("c-toolchain"))
    monkeypatch.setattr(images.LocalImage, "digest", property(lambda i: f"sha256:{i.tag}"))
    return calls


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the registry holds; skopeo pushes into it."""
    held: dict[str, str] = {}

    def pushed(argv: list[str], **options: object) -> process.Finished:
        repository, _, tag = argv[-1].removeprefix("docker://host:1/").rpartition(":")
        held[f"{repository}:{tag}"] = f"sha256:{argv[-2].rpartition(':')[2]}"
        return process.Finished(b"", b"")

    monkeypatch.setattr(process, "run", pushed)
    monkeypatch.setattr(
        content, "manifest_digest", lambda address, name, tag: held.get(f"{name}:{tag}")
    )
    return held


def test_what_is_missing_is_made_and_pushed_once(
    made: list[str], there: dict[str, str], tmp_path: Path, notes: Notes
) -> None:
    for _ in range(2):
        content.serve("host:1", tmp_path, notes)
    assert made == ["buildkit", "stand-in-1", "c-toolchain"]
    assert there == {
        "debian/c-toolchain:trixie": "sha256:c-toolchain",
        "moby/buildkit:v0.26.3": "sha256:buildkit",
        "q9t5s3a7/vllm-ci-postmerge-repo:latest": "sha256:stand-in-1",
    }


def test_the_second_content_stays_when_the_cloud_comes_up_again(
    made: list[str], there: dict[str, str], tmp_path: Path, notes: Notes
) -> None:
    content.serve("host:1", tmp_path, notes)
    served = content.put_stand_in(2, "host:1", tmp_path, notes)
    content.serve("host:1", tmp_path, notes)
    assert served.digest == there["q9t5s3a7/vllm-ci-postmerge-repo:latest"] == "sha256:stand-in-2"
    assert served.reference == ("registry.amikiln.internal/q9t5s3a7/vllm-ci-postmerge-repo:latest")


def test_a_push_that_did_not_arrive_is_a_failure(
    made: list[str],
    there: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    notes: Notes,
) -> None:
    monkeypatch.setattr(content, "manifest_digest", lambda address, name, tag: "sha256:other")
    with pytest.raises(LocalCloudError, match="as sha256:other, and not as sha256:stand-in-1"):
        content.put_stand_in(1, "host:1", tmp_path, notes)
