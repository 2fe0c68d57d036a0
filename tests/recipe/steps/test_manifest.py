"""80-manifest and 96-boot: what the manifest says of the machine."""

from __future__ import annotations

import json

import pytest

from fakes import pin
from recipe.root_folder import RootFolder


def test_the_manifest_tells_what_was_planned_and_what_is_there(docker: RootFolder) -> None:
    docker.fake_program("dpkg-query", "printf 'bash 5.2\\nlibc6 2.41-1\\n'")
    docker.fake_machine("systemd-nspawn")
    times = "printf '10-docker.sh 28\\n30-builder.sh 1\\n30-builder.sh 40\\n' >times.list"
    _, second = docker.run(
        "80-manifest", before=times, times=2, after="cat /etc/amikiln/manifest.json"
    )
    assert second.exit_code == 0, second.said
    manifest = json.loads(docker.left)
    (image,) = pin(["registry.example/team/app:latest"])
    assert manifest["planned"]["images"] == {image.reference: image.digest}
    assert manifest["images"] == {image.reference: {"id": "sha256:1", "size": 5}}
    assert manifest["packages"] == {"bash": "5.2", "libc6": "2.41-1"}
    assert manifest["seconds"]["10-docker.sh"] == 28
    assert manifest["seconds"]["30-builder.sh"] == 40
    assert manifest["docker"] == {"Version": "26.1.5"}
    assert manifest["buildx"] == "v0.13.1"
    assert manifest["buildkit"] == "v0.26.3"
    assert manifest["docker_store"]["driver"] == "overlay2"
    assert manifest["store"] == {"records": 3, "bytes": 12288}
    assert manifest["kernel"]
    assert manifest["machine"] == "systemd-nspawn"


@pytest.mark.parametrize(
    ("change", "changed"),
    [(":", False), ("touch /boot/vmlinuz-7", True), ("mkdir /boot/x; rmdir /boot/x", True)],
)
def test_the_manifest_tells_whether_boot_changed(
    docker: RootFolder, change: str, changed: bool
) -> None:
    docker.put("etc/amikiln/manifest.json", '{"planned":{"image":"i"}}\n')
    # The clock of a file system ticks every 10 ms, or faster.
    before = f"touch values.env; sleep 0.05; {change}"
    first, second = docker.run(
        "96-boot", before=before, times=2, after="cat /etc/amikiln/manifest.json"
    )
    assert (first.exit_code, second.exit_code) == (0, 0), first.said + second.said
    assert json.loads(docker.left) == {"planned": {"image": "i"}, "boot_changed": changed}
    assert docker.left.count("boot_changed") == 1
    assert ("no machine has booted" in first.said) is changed
