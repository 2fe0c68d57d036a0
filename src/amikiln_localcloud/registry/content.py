"""Fills the local cloud's registry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from amikiln.errors import LocalCloudError
from amikiln.runtime import process
from amikiln.runtime.progress import Reporter
from amikiln_localcloud.home import DEBIAN_SUITE, REGISTRY_NAME
from amikiln_localcloud.registry import go_programs, images
from amikiln_localcloud.registry.server import find_digest, wants_login

CI_IMAGE = "q9t5s3a7/vllm-ci-postmerge-repo"
CI_IMAGE_TAG = "latest"
C_TOOLCHAIN = "debian/c-toolchain"
PUSH_SECONDS = 600


@dataclass(frozen=True)
class PushedImage:
    """An image in the registry.

    Attributes:
        reference: Its name for guests, and for skopeo with the home's registries.conf.
        digest: The manifest's ``sha256:...``.
    """

    reference: str
    digest: str


def fill(address: str, cache: Path, report: Reporter) -> None:
    """Make and push what the registry does not have yet: BuildKit, a CI image, a C compiler.

    Args:
        address: The registry's ``host:port`` on loopback.
        cache: The directory for things that can be made again.
        report: Reports what takes long.

    Raises:
        LocalCloudError: An image cannot be copied, made or pushed.
    """
    if wants_login(address):
        report.line("the registry wants a login: its content stays as it is")
        return
    version = go_programs.read_buildkit_version()
    if find_digest(address, images.BUILDKIT, version) is None:
        _push(images.make_buildkit(cache, report), address, images.BUILDKIT, version)
    if find_digest(address, CI_IMAGE, CI_IMAGE_TAG) is None:
        push_ci_image(1, address, cache, report)
    if find_digest(address, C_TOOLCHAIN, DEBIAN_SUITE) is None:
        _push(images.make_c_toolchain(cache, report), address, C_TOOLCHAIN, DEBIAN_SUITE)


def make_images(cache: Path, report: Reporter) -> None:
    """Make the images that ``fill`` pushes, ahead of it; what is in the cache is left as it is.

    Raises:
        LocalCloudError: An image can neither be copied nor made.
    """
    images.make_buildkit(cache, report)
    images.make_ci_image(1, cache, report)
    images.make_c_toolchain(cache, report)


def push_ci_image(generation: int, address: str, cache: Path, report: Reporter) -> PushedImage:
    """Push the small CI image of this generation, 1 or 2, as the CI image's ``latest``.

    The same happens to the real one whenever something is merged.

    Raises:
        LocalCloudError: The image cannot be made or pushed.
    """
    image = images.make_ci_image(generation, cache, report)
    _push(image, address, CI_IMAGE, CI_IMAGE_TAG)
    return PushedImage(f"{REGISTRY_NAME}/{CI_IMAGE}:{CI_IMAGE_TAG}", image.digest)


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
            hint="is there disk space? the registry's log is in the cloud's state directory",
        ) from failure
    found = find_digest(address, repository, tag)
    if found != image.digest:
        raise LocalCloudError(
            f"the local registry at {address} serves {repository}:{tag} as {found},"
            f" and not as {image.digest} as pushed just now",
            hint="is something else pushing the same tag?",
        )
