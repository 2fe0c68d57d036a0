"""What is done inside the machine: numbered POSIX shell steps, and the values they work with.

The same files run over ssh and from a Packer template; they need nothing but a shell,
systemd, and dnf or apt.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shlex
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from amikiln.errors import SpecError
from amikiln.model import Plan, canonical_json

PLACES = {"after-docker": 15, "after-builder": 35, "after-images": 45, "before-seal": 85}
"""Where a user's step can run, and the number that puts it there."""

REMOTE_DIRECTORY = "/run/amikiln"
"""Where the recipe lies in the guest: a tmpfs, so nothing of it stays in the image."""


@dataclass(frozen=True)
class Recipe:
    """A folder, rendered: path to content. Steps run in the order of their names."""

    files: Mapping[str, bytes]

    @property
    def steps(self) -> tuple[str, ...]:
        return tuple(sorted(path for path in self.files if path.startswith("steps/")))

    def archive(self) -> bytes:
        """Return the folder as a tar file."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for path, content in sorted(self.files.items()):
                entry = tarfile.TarInfo(path)
                entry.size = len(content)
                entry.mode = 0o644
                tar.addfile(entry, io.BytesIO(content))
        return buffer.getvalue()


def shipped_files() -> dict[str, bytes]:
    """Return the recipe's own files, the same for every image."""
    root = resources.files(__package__)
    files = {"lib.sh": (root / "lib.sh").read_bytes()}
    for entry in (root / "steps").iterdir():
        if entry.name.endswith(".sh"):
            files[f"steps/{entry.name}"] = entry.read_bytes()
    return files


def own_steps(directory: Path) -> dict[str, bytes]:
    """Read the user's steps of an image, ``steps/PLACE-NAME.sh`` in its directory.

    Args:
        directory: The image's directory.

    Returns:
        Their content by the path that they get in the recipe, where the number is the place.

    Raises:
        SpecError: A file that is at no known place, or cannot be read.
    """
    found: dict[str, bytes] = {}
    faults = []
    for file in sorted((directory / "steps").glob("*")):
        named = re.fullmatch(rf"({'|'.join(PLACES)})(-[a-z0-9-]+)?\.sh", file.name)
        if named is None:
            faults.append(
                f"{file}: is at no known place; allowed: PLACE.sh and PLACE-NAME.sh, where PLACE"
                f" is one of {', '.join(PLACES)}"
            )
            continue
        try:
            found[f"steps/{PLACES[named[1]]}-{file.name}"] = file.read_bytes()
        except OSError as error:
            faults.append(f"{file}: cannot be read: {error.strerror}")
    if faults:
        raise SpecError("\n".join(faults))
    return found


def digest_of(files: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of the recipe's files: a changed step makes another image."""
    hashes = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    return hashlib.sha256(canonical_json(hashes).encode()).hexdigest()


def render(plan: Plan) -> Recipe:
    """Return the recipe for one plan."""
    files = {**shipped_files(), **plan.own_steps}
    files["values.env"] = _values(plan).encode()
    files["buildkitd.toml"] = buildkitd_toml(plan).encode()
    files["images.list"] = "".join(
        f"{image.by_digest} {image.reference}\n" for image in plan.images
    ).encode()
    files["plan.json"] = canonical_json(manifest_of(plan)).encode()
    return Recipe(files)


def manifest_of(plan: Plan) -> dict[str, object]:
    """Return the planned part of ``/etc/amikiln/manifest.json``."""
    return {
        "image": plan.spec.name,
        "digest": plan.digest,
        "source": plan.source.id,
        "buildkit": plan.buildkit.by_digest,
        "images": {image.reference: image.digest for image in plan.images},
    }


def buildkitd_toml(plan: Plan) -> str:
    """Return ``/etc/buildkit/buildkitd.toml``.

    With gc on, BuildKit drops cache mounts that were not used for 48 h, and with them what the
    image was baked for (https://docs.docker.com/build/cache/garbage-collection/).
    """
    buildkit = plan.spec.buildkit
    lines = [
        "[worker.oci]",
        f"  max-parallelism = {buildkit.max_parallelism}",
        f"  gc = {str(buildkit.gc).lower()}",
    ]
    for host in buildkit.plain_http_registries:
        lines += ["", f"[registry.{json.dumps(host)}]", "  http = true"]
    return "\n".join(lines) + "\n"


def _values(plan: Plan) -> str:
    buildkit = plan.spec.buildkit
    values = {
        "BUILDER": buildkit.builder,
        "BUILDER_OWNER": buildkit.owner,
        "BUILDKIT_IMAGE": plan.buildkit.by_digest,
        "DOCKER_MINIMUM": plan.spec.docker.minimum_version,
        "BUILDX_MINIMUM": plan.spec.docker.minimum_buildx_version,
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
