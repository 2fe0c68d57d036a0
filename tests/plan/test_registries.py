"""Tags to digests: by skopeo, or by buildx where there is none."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from amikiln.errors import PreflightError
from amikiln.plan import registries

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
    (pinned,) = registries.pin(["host/a:1"])
    assert (pinned.reference, pinned.digest) == ("host/a:1", DIGEST)
    assert calls(programs) == ["skopeo inspect --raw docker://host/a:1"]


def test_without_skopeo_buildx_is_asked(programs: Path) -> None:
    program(programs, "docker", f"printf %s '{MANIFEST}'")
    (pinned,) = registries.pin(["host/a:1"])
    assert pinned.digest == DIGEST
    assert calls(programs) == ["docker buildx imagetools inspect --raw host/a:1"]


def test_all_that_no_registry_knows_is_named_at_once(programs: Path) -> None:
    program(programs, "docker", 'echo "$5: not found" >&2; exit 1')
    with pytest.raises(PreflightError) as error:
        registries.pin(["host/a:1", "host/b:2"])
    assert error.value.what.splitlines() == [
        "no digest for host/a:1: host/a:1: not found",
        "no digest for host/b:2: host/b:2: not found",
    ]
