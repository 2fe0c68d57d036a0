"""What a registry says about container images."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from amikiln.errors import PreflightError
from amikiln.model.plan import Layer, PinnedImage
from amikiln.runtime import process

LOOKUP_SECONDS = 120
PLATFORMS = {"x86_64": "amd64", "arm64": "arm64"}
"""Go's names for the spec's architectures, which image indexes have."""
UNPACKED = 3
"""A compressed layer is taken for so many times as much on a disk: most have 2 to 3."""
UNPACKED_SIZE = "io.containers.estargz.uncompressed-size"
"""https://github.com/containerd/stargz-snapshotter/blob/main/docs/estargz.md"""


class _Fault(Exception):
    """A registry's answer that no machine could use."""


def pin(references: Iterable[str], architecture: str = "x86_64") -> tuple[PinnedImage, ...]:
    """Return each reference with the digest that its tag has now, and its layers.

    skopeo asks the registry, so no Docker is needed here, and logins, mirrors and insecure
    registries are configured as for any container tool (containers-registries.conf(5)). Where it
    is not installed buildx asks, with Docker's logins: Amazon Linux 2023 itself has no skopeo
    (https://github.com/amazonlinux/amazon-linux-2023/issues/826), and CI agents have Docker.

    Args:
        references: Container images with their tags.
        architecture: Which of an image's platforms the machine pulls, as in the spec.

    Raises:
        PreflightError: A registry does not know an image, has none for the architecture, or does
            not answer: all of them at once.
    """
    wanted = list(dict.fromkeys(references))
    faults: list[str] = []
    pinned: list[PinnedImage] = []
    with ThreadPoolExecutor(max_workers=8) as pool:
        for reference, future in [
            (ref, pool.submit(_pin_one, ref, architecture)) for ref in wanted
        ]:
            try:
                pinned.append(future.result())
            except _Fault as fault:
                faults.append(f"{reference}: {fault}")
            except process.CommandFailed as error:
                faults.append(f"no digest for {reference}: {error.tail.strip() or error.what}")
    if faults:
        raise PreflightError(
            "\n".join(faults),
            hint="check the name and the tag; `skopeo login` or `docker login` where one is needed",
        )
    return tuple(pinned)


def _pin_one(reference: str, architecture: str) -> PinnedImage:
    raw = _read_manifest(reference)
    # The digest of a manifest (or of a list of them, one a platform) is the hash of its bytes:
    # https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
    found = PinnedImage(reference, f"sha256:{hashlib.sha256(raw).hexdigest()}")
    manifest = _parse(raw)
    if "manifests" in manifest:
        child = _choose_platform(manifest["manifests"], PLATFORMS[architecture])
        by_digest = PinnedImage(reference, child).by_digest
        manifest = _parse(_read_manifest(by_digest))
    return PinnedImage(found.reference, found.digest, _list_layers(manifest))


def _read_manifest(reference: str) -> bytes:
    return process.run(_build_command(reference), timeout_seconds=LOOKUP_SECONDS).stdout


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(raw)
    except ValueError as error:
        raise _Fault(f"its manifest is no JSON: {error}") from error
    if not isinstance(manifest, dict):
        raise _Fault("its manifest is no JSON object")
    return manifest


def _choose_platform(manifests: list[dict[str, Any]], architecture: str) -> str:
    """Return the digest of the image for Linux on an architecture, out of an index."""
    platforms = [
        (entry.get("platform") or {}, str(entry["digest"]))
        for entry in manifests
        if "digest" in entry
    ]
    for platform, digest in platforms:
        if (platform.get("os"), platform.get("architecture")) == ("linux", architecture):
            return digest
    there = {f"{it.get('os')}/{it.get('architecture')}" for it, _ in platforms}
    raise _Fault(f"has no image for linux/{architecture}, only for {', '.join(sorted(there))}")


def _list_layers(manifest: dict[str, Any]) -> tuple[Layer, ...]:
    """Return a manifest's layers; none where it says no sizes, as those of schema 1 do."""
    layers = manifest.get("layers", [])
    if not all(isinstance(layer.get("size"), int) and "digest" in layer for layer in layers):
        return ()
    return tuple(Layer(layer["digest"], layer["size"], _unpack(layer)) for layer in layers)


def _unpack(layer: dict[str, Any]) -> int:
    said = str((layer.get("annotations") or {}).get(UNPACKED_SIZE, ""))
    if said.isdigit():
        return int(said)
    # https://github.com/opencontainers/image-spec/blob/main/media-types.md: ...tar, ...tar+gzip
    plain = str(layer.get("mediaType", "")).endswith(".tar")
    return int(layer["size"]) * (1 if plain else UNPACKED)


def _build_command(reference: str) -> list[str]:
    """Return what prints the bytes of an image's manifest."""
    if shutil.which("skopeo") is None and shutil.which("docker") is not None:
        # https://docs.docker.com/reference/cli/docker/buildx/imagetools/inspect/
        return ["docker", "buildx", "imagetools", "inspect", "--raw", reference]
    # Older skopeo (1.9 on Debian 12) does not read this variable of all container tools by itself.
    chosen = os.environ.get("CONTAINERS_REGISTRIES_CONF")
    options = ["--registries-conf", chosen] if chosen else []
    return ["skopeo", *options, "inspect", "--raw", f"docker://{reference}"]
