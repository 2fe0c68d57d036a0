"""What the registry is given; that it gets there is test_registry's."""

from __future__ import annotations

from pathlib import Path

import pytest

from amikiln.errors import LocalCloudError
from amikiln.runtime import process
from amikiln_localcloud.registry import content, images
from fakes import Recorder


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    calls: list[str] = []

    def image(name: str) -> images.LocalImage:
        calls.append(name)
        layout = tmp_path / name
        layout.mkdir(exist_ok=True)
        return images.LocalImage(layout, name)

    monkeypatch.setattr(images, "make_buildkit", lambda cache, report: image("buildkit"))
    monkeypatch.setattr(images, "make_ci_image", lambda number, *rest: image(f"ci-{number}"))
    monkeypatch.setattr(images, "make_c_toolchain", lambda cache, report: image("c-toolchain"))
    monkeypatch.setattr(images.LocalImage, "digest", property(lambda i: f"sha256:{i.tag}"))
    return calls


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the registry holds; skopeo pushes into it."""
    held: dict[str, str] = {}

    def pushed(argv: list[str], **options: object) -> process.Output:
        repository, _, tag = argv[-1].removeprefix("docker://host:1/").rpartition(":")
        held[f"{repository}:{tag}"] = f"sha256:{argv[-2].rpartition(':')[2]}"
        return process.Output(b"", b"")

    monkeypatch.setattr(process, "run", pushed)
    monkeypatch.setattr(content, "wants_login", lambda address: False)
    monkeypatch.setattr(
        content, "find_digest", lambda address, name, tag: held.get(f"{name}:{tag}")
    )
    return held


def test_what_is_missing_is_made_and_pushed_once(
    made: list[str], there: dict[str, str], tmp_path: Path, report: Recorder
) -> None:
    for _ in range(2):
        content.fill("host:1", tmp_path, report)
    assert made == ["buildkit", "ci-1", "c-toolchain"]
    assert there == {
        "debian/c-toolchain:trixie": "sha256:c-toolchain",
        "moby/buildkit:v0.26.3": "sha256:buildkit",
        "q9t5s3a7/vllm-ci-postmerge-repo:latest": "sha256:ci-1",
    }


def test_the_second_content_stays_when_the_cloud_comes_up_again(
    made: list[str], there: dict[str, str], tmp_path: Path, report: Recorder
) -> None:
    content.fill("host:1", tmp_path, report)
    served = content.push_ci_image(2, "host:1", tmp_path, report)
    content.fill("host:1", tmp_path, report)
    assert served.digest == there["q9t5s3a7/vllm-ci-postmerge-repo:latest"] == "sha256:ci-2"
    assert served.reference == ("registry.amikiln.internal/q9t5s3a7/vllm-ci-postmerge-repo:latest")


def test_a_push_that_did_not_arrive_is_a_failure(
    made: list[str],
    there: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    report: Recorder,
) -> None:
    monkeypatch.setattr(content, "find_digest", lambda address, name, tag: "sha256:other")
    with pytest.raises(LocalCloudError, match="as sha256:other, and not as sha256:ci-1"):
        content.push_ci_image(1, "host:1", tmp_path, report)
