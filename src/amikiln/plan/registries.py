"""What a registry says about container images."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from amikiln.errors import PreflightError
from amikiln.model.plan import PinnedImage
from amikiln.runtime import process

LOOKUP_SECONDS = 120


def pin(references: Iterable[str]) -> tuple[PinnedImage, ...]:
    """Return each reference with the digest that its tag has now.

    skopeo asks the registry, so no Docker is needed here, and logins, mirrors and insecure
    registries are configured as for any container tool (containers-registries.conf(5)). Where it
    is not installed buildx asks, with Docker's logins: Amazon Linux 2023 itself has no skopeo
    (https://github.com/amazonlinux/amazon-linux-2023/issues/826), and CI agents have Docker.

    Raises:
        PreflightError: A registry does not know an image, or does not answer: all of them at once.
    """
    wanted = list(dict.fromkeys(references))
    faults: list[str] = []
    pinned: list[PinnedImage] = []
    with ThreadPoolExecutor(max_workers=8) as pool:
        for reference, future in [(ref, pool.submit(_find_digest, ref)) for ref in wanted]:
            try:
                pinned.append(PinnedImage(reference, future.result()))
            except process.CommandFailed as error:
                faults.append(f"no digest for {reference}: {error.tail.strip() or error.what}")
    if faults:
        raise PreflightError(
            "\n".join(faults),
            hint="check the name and the tag; `skopeo login` or `docker login` where one is needed",
        )
    return tuple(pinned)


def _find_digest(reference: str) -> str:
    raw = process.run(_build_command(reference), timeout_seconds=LOOKUP_SECONDS).stdout
    # The digest of a manifest (or of a list of them, one a platform) is the hash of its bytes:
    # https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def _build_command(reference: str) -> list[str]:
    """Return what prints the bytes of an image's manifest."""
    if shutil.which("skopeo") is None and shutil.which("docker") is not None:
        # https://docs.docker.com/reference/cli/docker/buildx/imagetools/inspect/
        return ["docker", "buildx", "imagetools", "inspect", "--raw", reference]
    # Older skopeo (1.9 on Debian 12) does not read this variable of all container tools by itself.
    chosen = os.environ.get("CONTAINERS_REGISTRIES_CONF")
    options = ["--registries-conf", chosen] if chosen else []
    return ["skopeo", *options, "inspect", "--raw", f"docker://{reference}"]
