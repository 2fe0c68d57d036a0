"""What a registry says about container images."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from amikiln.errors import PreflightError
from amikiln.machine.logins import find_logins
from amikiln.model.plan import Layer, PinnedImage
from amikiln.plan.registry_access import RegistryAccess, open_registry_access
from amikiln.runtime import process
from amikiln.session import Session
from amikiln.spec.spec import Spec

LOOKUP_SECONDS = 120
PLATFORMS = {"x86_64": "amd64", "arm64": "arm64"}
"""Go's names for the spec's architectures, which image indexes have."""
UNPACKED = 3
"""A compressed layer is taken for so many times as much on a disk: most have 2 to 3."""
UNPACKED_SIZE = "io.containers.estargz.uncompressed-size"
"""https://github.com/containerd/stargz-snapshotter/blob/main/docs/estargz.md"""


NOTHING_THERE = re.compile(r"manifest unknown|name unknown|not found|\b404\b", re.IGNORECASE)
"""How skopeo and buildx say that a registry has no such tag, which a new cache has not."""


class Fault(Exception):
    """A registry's answer that no machine could use."""


Pin = Callable[[Iterable[str], str], tuple[PinnedImage, ...]]
"""Resolves references for an architecture."""


def ask_registries(spec: Spec, session: Session) -> Pin:
    """Return what asks registries with a spec's logins and mirrors.

    It raises PreflightError if a login cannot be had, if a cache of the warm build cannot be read,
    and as ``pin`` does.
    """

    def ask(references: Iterable[str], architecture: str) -> tuple[PinnedImage, ...]:
        caches = spec.warm.cache_from if spec.warm is not None else ()
        with open_registry_access(spec, find_logins(spec, session)) as access:
            if faults := list(find_cache_faults(caches, access)):
                lines = (f"warm.cache_from: {cache} cannot be read: {why}" for cache, why in faults)
                raise PreflightError(
                    "\n".join(lines),
                    hint="correct it; where a login is needed, name it in [docker.logins]",
                )
            return pin(references, access, architecture)

    return ask


def pin(
    references: Iterable[str], access: RegistryAccess, architecture: str = "x86_64"
) -> tuple[PinnedImage, ...]:
    """Return each reference with the digest that its tag has now, and its layers.

    skopeo asks the registry, so no Docker is needed here. Where it is not installed buildx asks:
    Amazon Linux 2023 itself has no skopeo
    (https://github.com/amazonlinux/amazon-linux-2023/issues/826), and CI agents have Docker.

    Args:
        references: Container images with their tags.
        access: How registries are asked.
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
            (ref, pool.submit(_pin_one, ref, access, architecture)) for ref in wanted
        ]:
            try:
                pinned.append(future.result())
            except Fault as fault:
                faults.append(f"{reference}: {fault}")
            except process.CommandFailed as error:
                faults.append(f"no digest for {reference}: {error.tail.strip() or error.what}")
    if faults:
        raise PreflightError(
            "\n".join(faults),
            hint="check the name and the tag; where a login is needed, name it in [docker.logins]:"
            " the machine has no other",
        )
    return tuple(pinned)


def find_cache_faults(sources: Iterable[str], access: RegistryAccess) -> Iterator[tuple[str, str]]:
    """Yield each cache in a registry that cannot be read, and why; an empty one is none.

    BuildKit only warns of it and builds everything anew, for hours.

    Args:
        sources: As in ``warm.cache_from``.
        access: How registries are asked.
    """
    for source in sources:
        words = dict(word.partition("=")[::2] for word in source.split(","))
        if words.get("type") != "registry" or "ref" not in words:
            continue
        try:
            _read_manifest(words["ref"], access)
        except process.CommandFailed as error:
            why = error.tail.strip() or error.what
            if not NOTHING_THERE.search(why):
                yield source, why.rsplit("\n", 1)[-1]


def read_notes(
    image: PinnedImage, architecture: str, access: RegistryAccess
) -> list[tuple[str, dict[str, Any]]]:
    """Return an image's annotations and labels, each with a word for where they are.

    Args:
        image: The image; it is asked for by its digest.
        architecture: Which of its platforms, as in the spec.
        access: How registries are asked.

    Returns:
        The annotations of its index, where it has one, and of its manifest; then its labels.

    Raises:
        Fault: It has nothing for the architecture, or is no image.
        CommandFailed: The registry does not answer.
    """
    reference, notes = image.by_digest, []
    manifest = _parse(_read_manifest(reference, access))
    if "manifests" in manifest:
        notes.append(("index's annotation", manifest.get("annotations") or {}))
        reference, manifest = _enter_index(image.reference, manifest, architecture, access)
    notes.append(("annotation", manifest.get("annotations") or {}))
    command = _build_command(reference, access, configuration=True)
    raw = process.run(command, timeout_seconds=LOOKUP_SECONDS).stdout
    # https://github.com/opencontainers/image-spec/blob/main/config.md: "config", "Labels"
    inner = _parse(raw).get("config") or {}
    return [*notes, ("label", inner.get("Labels") or {})]


def _pin_one(reference: str, access: RegistryAccess, architecture: str) -> PinnedImage:
    raw = _read_manifest(reference, access)
    # The digest of a manifest (or of a list of them, one a platform) is the hash of its bytes:
    # https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
    found = PinnedImage(reference, f"sha256:{hashlib.sha256(raw).hexdigest()}")
    manifest = _parse(raw)
    if "manifests" in manifest:
        _, manifest = _enter_index(reference, manifest, architecture, access)
    return PinnedImage(found.reference, found.digest, _list_layers(manifest))


def _enter_index(
    reference: str, index: dict[str, Any], architecture: str, access: RegistryAccess
) -> tuple[str, dict[str, Any]]:
    """Return the image for an architecture, out of an index: by its digest, and its manifest."""
    child = _choose_platform(index["manifests"], PLATFORMS[architecture])
    by_digest = PinnedImage(reference, child).by_digest
    return by_digest, _parse(_read_manifest(by_digest, access))


def _read_manifest(reference: str, access: RegistryAccess) -> bytes:
    return process.run(_build_command(reference, access), timeout_seconds=LOOKUP_SECONDS).stdout


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(raw)
    except ValueError as error:
        raise Fault(f"its manifest is no JSON: {error}") from error
    if not isinstance(manifest, dict):
        raise Fault("its manifest is no JSON object")
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
    raise Fault(f"has no image for linux/{architecture}, only for {', '.join(sorted(there))}")


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


def _build_command(
    reference: str, access: RegistryAccess, *, configuration: bool = False
) -> list[str]:
    """Return what prints the bytes of an image's manifest, or its configuration as JSON."""
    if shutil.which("skopeo") is None and shutil.which("docker") is not None:
        # https://docs.docker.com/reference/cli/docker/buildx/imagetools/inspect/
        what = ["--format", "{{json .Image}}"] if configuration else ["--raw"]
        return access.build_buildx_command("imagetools", "inspect", *what, reference)
    what = ["--config", "--raw"] if configuration else ["--raw"]
    return access.build_skopeo_command("inspect", *what, f"docker://{reference}")
