"""Secrets in the source image are told apart from what the bake brought, on real machines."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from vm.local_cloud import ALONE, IMAGE_DIRECTORY, LocalCloud

pytestmark = pytest.mark.vm

PLANTED = "/opt/vendor/id"
PLANT = f"""
mkdir -p /opt/vendor
[ -e {PLANTED} ] || ssh-keygen -q -t ed25519 -N '' -f {PLANTED}
touch -d 2020-01-01 {PLANTED}
"""
ALLOWED = f"""
[[secrets.allow]]
path = "{PLANTED}"
reason = "a key of the tests that opens nothing"
"""


def make_image(folder: Path, step: str, more: str = "") -> Path:
    """Copy the original image's folder, with a step and further lines of its own."""
    shutil.copytree(IMAGE_DIRECTORY, folder)
    (folder / "steps").mkdir(exist_ok=True)
    (folder / "steps" / "before-seal-plant.sh").write_text(step)
    with (folder / "image.toml").open("a") as file:
        file.write(more)
    return folder


@pytest.fixture(scope="module")
def source(local_cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image that holds a private key."""
    image = make_image(tmp_path_factory.mktemp("source") / "image", PLANT, ALLOWED)
    done = local_cloud.amikiln("bake", image, "--local", "--json", "--set", "name=planted", *ALONE)
    return str(json.loads(done.stdout)["image"]["id"])


def test_what_the_source_image_has_is_listed_and_no_fault_of_the_bake(
    local_cloud: LocalCloud, source: str, tmp_path: Path
) -> None:
    image, verdict = make_image(tmp_path / "image", "true\n"), tmp_path / "verdict.json"
    options = ("--local", "--set", "name=on-planted", "--set", f"source.id={source}", *ALONE)
    done = local_cloud.amikiln("bake", image, "--json", *options)
    assert f'in the source image, unchanged: private-key in "{PLANTED}"' in done.stderr
    baked = json.loads(done.stdout)["image"]["id"]
    local_cloud.amikiln_may_fail("verify", image, baked, "--verdict", verdict, *options)
    checks: dict[str, Any] = {
        check["name"]: check for check in json.loads(verdict.read_text())["checks"]
    }
    assert checks["no-secrets"]["outcome"] == "pass", checks["no-secrets"]
    assert " 0 of the source image" not in checks["no-secrets"]["evidence"]


def test_the_same_key_somewhere_else_fails_the_bake(
    local_cloud: LocalCloud, source: str, tmp_path: Path
) -> None:
    image = make_image(tmp_path / "image", f"cp -p {PLANTED} /opt/vendor/copy\n")
    options = ("--local", "--set", "name=on-planted", "--set", f"source.id={source}", *ALONE)
    done = local_cloud.amikiln_may_fail("bake", image, *options)
    assert done.returncode == 4
    assert 'private-key in "/opt/vendor/copy" (not in the source image)' in done.stderr
    assert f'found: private-key in "{PLANTED}"' not in done.stderr
