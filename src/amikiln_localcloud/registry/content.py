"""What the local cloud's registry serves, and how it gets there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from amikiln.errors import LocalCloudError
from amikiln.runtime import process
from amikiln.runtime.progress import Reporter
from amikiln_localcloud.registry import go_programs, images, tree
from amikiln_localcloud.registry.server import NAME, manifest_digest

BUILDKIT = "moby/buildkit"
STAND_IN = "q9t5s3a7/vllm-ci-postmerge-repo"
STAND_IN_TAG = "latest"
C_TOOLCHAIN = "debian/c-toolchain"
PUSH_SECONDS = 600


@dataclass(frozen=True)
class Served:
    """An image in the registry.

    Attributes:
        reference: Its name for guests, and for skopeo with the cloud's registries.conf.
        digest: The manifest's ``sha256:...``.
    """

    reference: str
    digest: str


def serve(address: str, cache: Path, report: Reporter) -> None:
    """Make and push what the registry lacks: BuildKit, a first CI image, a C compiler.

    Args:
        address: The registry's ``host:port`` on loopback.
        cache: The directory for things that can be made again.
        report: Told what takes long.

    Raises:
        LocalCloudError: An image can neither be copied nor made, or not be pushed.
    """
    version = go_programs.buildkit_version()
    if manifest_digest(address, BUILDKIT, version) is None:
        _push(images.buildkit(cache, report), address, BUILDKIT, version)
    if manifest_digest(address, STAND_IN, STAND_IN_TAG) is None:
        put_stand_in(1, address, cache, report)
    if manifest_digest(address, C_TOOLCHAIN, tree.SUITE) is None:
        _push(images.c_toolchain(cache, report), address, C_TOOLCHAIN, tree.SUITE)


def put_stand_in(generation: int, address: str, cache: Path, report: Reporter) -> Served:
    """Let the CI image's ``latest`` name the stand-in of this generation, 1 or 2.

    This is what happens to the real one whenever something is merged.

    Raises:
        LocalCloudError: The image cannot be made or pushed.
    """
    image = images.stand_in(generation, cache, report)
    _push(image, address, STAND_IN, STAND_IN_TAG)
    return Served(f"{NAME}/{STAND_IN}:{STAND_IN_TAG}", image.digest)


def _push(image: images.LocalImage, address: str, repository: str, tag: str) -> None:
    source = f"oci:{image.layout}:{image.tag}"
    target = f"docker://{address}/{repository}:{tag}"
    options = ["--quiet", "--preserve-digests", "--dest-tls-verify=false"]
    try:
        process.run(
            ["skopeo", "--insecure-policy", "copy", *options, source, target],
            timeout_seconds=PUSH_SECONDS,
        )
    except process.CommandFailed as failure:
        raise LocalCloudError(
            f"cannot push {repository}:{tag} to the local registry at {address}: {failure.what}",
            hint="is there disk space? the registry's log lies in the cloud's state directory",
        ) from failure
    served = manifest_digest(address, repository, tag)
    if served != image.digest:
        raise LocalCloudError(
            f"the local registry at {address} serves {repository}:{tag} as {served},"
            f" and not as {image.digest} as pushed just now",
            hint="is something else pushing the same tag?",
        )
