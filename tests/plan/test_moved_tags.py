"""A plan's images are asked for in a real registry, in which tags move and manifests go."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from amikiln.errors import PreflightError
from amikiln.model.plan_file import serialize
from amikiln.plan import resolve, reuse
from amikiln.plan.file import read_plan
from amikiln.runtime import process
from amikiln_localcloud.children import Launcher
from amikiln_localcloud.home import REGISTRY_NAME, Home
from amikiln_localcloud.registry import oci, tree
from amikiln_localcloud.registry.server import Registry
from fakes import spec
from harness import NOTHING, Harness


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    home = Home(state=tmp_path / "registry", cache=tmp_path / "cache")
    running = Registry(home, Launcher())
    running.start()
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(home.registries_conf))
    yield running
    running.close()


def push(registry: Registry, folder: Path, name: str, content: str) -> str:
    """Push an image that holds one file, and return its digest."""
    layout = folder / content
    if not layout.exists():
        layout.mkdir()
        config = oci.ImageConfig()
        oci.write_layout(layout, "it", [{"hello": tree.text(content)}], config)
    process.run(
        [
            "skopeo", "--insecure-policy", "copy", "--preserve-digests", "--dest-tls-verify=false",
            f"oci:{layout}:it", f"docker://{registry.address}/{name}",
        ]
    )  # fmt: skip
    return oci.read_digest(layout)


def test_a_plan_keeps_what_a_tag_meant_until_the_registry_has_it_no_more(
    harness: Harness, registry: Registry, tmp_path: Path
) -> None:
    push(registry, tmp_path, "build/kit:v1", "builder")
    before = push(registry, tmp_path, "team/app:latest", "before")
    image = harness.image(
        spec(
            docker={"images": [f"{REGISTRY_NAME}/team/app:latest"]},
            buildkit={
                "builder": "baked-vllm-builder",
                "image": f"{REGISTRY_NAME}/build/kit:v1",
                "plain_http_registries": [REGISTRY_NAME],
            },
        )
    )
    file = tmp_path / "plan.json"
    planned = resolve.plan(image, harness.session)
    file.write_bytes(serialize(planned))
    assert [found.digest for found in planned.images] == [before]

    after = push(registry, tmp_path, "team/app:latest", "after")
    assert [found.digest for found in resolve.plan(image, harness.session).images] == [after]
    used = reuse.use_plan(read_plan(file), image, harness.session)
    assert (used.images, used.digest) == (planned.images, planned.digest)

    gone = f"http://{registry.address}/v2/team/app/manifests/{before}"
    urllib.request.urlopen(urllib.request.Request(gone, method="DELETE"), timeout=20).close()
    with pytest.raises(PreflightError) as caught:
        reuse.use_plan(read_plan(file), image, harness.session)
    assert "is not to be had any more: " in caught.value.what
    assert f"{REGISTRY_NAME}/team/app@{before}" in caught.value.what
    assert harness.holdings() == NOTHING
