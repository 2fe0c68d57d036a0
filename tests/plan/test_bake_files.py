"""Bake files from outside the context: beside image.toml, behind a URL, given to the run."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest

from amikiln.errors import PreflightError, SpecError
from amikiln.plan import bake_files
from amikiln.spec.load import ImageFolder, load_image
from fakes import spec

CI = b'target "ci" { inherits = ["test"] }\n'
URL = "https://example.org/docker/ci.hcl"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMIKILN_CACHE", str(tmp_path / "cache"))


def folder(place: Path, *entries: object, **given: Path) -> ImageFolder:
    wanted = spec(warm={"context": "warm", "bake_files": entries})
    return ImageFolder(place, wanted, {}, {}, bake_files={f"{k}.json": v for k, v in given.items()})


def serve(monkeypatch: pytest.MonkeyPatch, content: bytes) -> list[str]:
    """Let every URL have this content; return those that are asked for."""
    asked: list[str] = []

    def answer(url: str, timeout: float) -> Any:
        asked.append(url)
        return io.BytesIO(content)

    monkeypatch.setattr(bake_files, "urlopen", answer)
    return asked


def test_files_of_all_kinds_keep_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = serve(monkeypatch, CI)
    (tmp_path / "overlay.hcl").write_bytes(b'group "a" {}\n')
    (tmp_path / "artifact").write_bytes(b"{}\n")
    image = folder(
        tmp_path,
        "docker-bake.hcl",
        {"url": URL, "sha256": hashlib.sha256(CI).hexdigest()},
        {"given": "config.json"},
        {"beside": "overlay.hcl"},
        config=tmp_path / "artifact",
    )
    wanted = {
        "bake-files/2-ci.hcl": CI,
        "bake-files/3-config.json": b"{}\n",
        "bake-files/4-overlay.hcl": b'group "a" {}\n',
    }
    assert bake_files.read_bake_files(image) == wanted
    assert bake_files.read_bake_files(image) == wanted
    assert asked == [URL]


def test_all_that_is_missing_or_other_than_said_is_named_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, b"another\n")
    for name, content in {"bom": b"\xef\xbb\xbf{}", "latin": b"\xe9", "empty": b" \n"}.items():
        (tmp_path / f"{name}.json").write_bytes(content)
    beside = [{"beside": f"{name}.json"} for name in ("bom", "latin", "empty", "gone")]
    url = {"url": URL, "sha256": "a" * 64}
    image = folder(tmp_path, *beside, url, {"given": "config.json"}, other=tmp_path / "bom.json")
    with pytest.raises(PreflightError) as caught:
        bake_files.read_bake_files(image)
    said = caught.value.what.splitlines()
    for line, words in zip(
        said,
        [
            "the bake file config.json is not given: --bake-file config.json=PATH",
            "the bake file other.json is given, and warm.bake_files does not name it",
            "bom.json: begins with a byte order mark",
            "latin.json: is not UTF-8",
            "empty.json: is empty",
            "gone.json: cannot be read: No such file",
            f"{URL}: has the SHA-256 {hashlib.sha256(b'another' + bytes([10])).hexdigest()}",
        ],
        strict=True,
    ):
        assert line.startswith(words)


def test_a_file_is_given_by_its_name_or_as_another() -> None:
    image = Path(__file__).parents[2] / "images" / "cpu-build"
    given = ["a/config.json", "overlay.hcl=/srv/x=1.hcl"]
    assert load_image(image, bake_files=given).bake_files == {
        "config.json": Path("a/config.json"),
        "overlay.hcl": Path("/srv/x=1.hcl"),
    }
    with pytest.raises(SpecError, match=r"--bake-file config\.json=: not a file"):
        load_image(image, bake_files=["config.json="])


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"file": "a.hcl", "beside": "b.hcl"},
        {"url": URL},
        {"beside": "a.hcl", "sha256": "a" * 64},
        {"beside": "../a.hcl"},
        {"beside": "/a.hcl"},
        {"beside": "a.txt"},
        {"given": "a/b.hcl"},
        {"url": "http://example.org/a.hcl", "sha256": "a" * 64},
        {"url": "https://me:secret@example.org/a.hcl", "sha256": "a" * 64},
        {"url": URL, "sha256": "A" * 64},
        "../a.hcl",
        7,
    ],
)
def test_an_entry_that_names_no_file_is_refused(entry: object) -> None:
    with pytest.raises(ValueError, match="bake_files"):
        spec(warm={"context": "warm", "bake_files": [entry]})
