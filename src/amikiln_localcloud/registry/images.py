"""Makes the images that the local registry serves, as OCI layouts in the cache."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from amikiln.errors import LocalCloudError
from amikiln.runtime import process
from amikiln.runtime.cache import compute_key, make_once
from amikiln.runtime.progress import Reporter
from amikiln_localcloud.home import DEBIAN_SUITE
from amikiln_localcloud.registry import c_toolchain, go_programs, oci, tree

PUBLIC_LOOK_SECONDS = 15
PUBLIC_COPY_SECONDS = 900
LONGEST_REASON = 200
_SOURCE_FILES = ("images.py", "oci.py", "c_toolchain.py", "tree.py")

BUILDKIT = "moby/buildkit"
BUILDKIT_PACKAGES = (
    "busybox-static",
    "ca-certificates",
    "libc6",
    "libgcc-s1",
    "libseccomp2",
    "runc",
)
CI_PACKAGES = ("busybox-static", "make")
CI_LATER_PACKAGES = (*CI_PACKAGES, "m4")

PATH_INSIDE = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class LocalImage:
    """An image in an OCI layout on disk.

    Attributes:
        layout: The layout's directory; it holds this image alone.
        tag: The image's name in the layout.
    """

    layout: Path
    tag: str

    @property
    def digest(self) -> str:
        return oci.read_digest(self.layout)


def make_buildkit(cache: Path, report: Reporter) -> LocalImage:
    """Return BuildKit's image: a copy of the public one if it can be reached, else made here.

    Raises:
        LocalCloudError: It can neither be copied nor made.
    """
    version = go_programs.read_buildkit_version()
    made = cache / f"image-buildkit-{version}-{_key(*BUILDKIT_PACKAGES)}"
    public = f"docker.io/{BUILDKIT}:{version}"

    def make(directory: Path) -> None:
        why_not = copy_public(public, directory, version, report)
        if why_not is None:
            return
        report.line(f"no copy of {public} ({why_not}): making it from its Go module")
        programs = go_programs.compile_buildkit(cache, report)
        with report.status("making BuildKit's image from Debian packages"):
            oci.write_layout(directory, version, [_buildkit_files(programs)], _BUILDKIT_CONFIG)

    return LocalImage(_make(made, make, f"{BUILDKIT}:{version}"), version)


def make_ci_image(generation: int, cache: Path, report: Reporter) -> LocalImage:
    """Return a small image to use in place of a CI image of many gigabytes.

    Args:
        generation: 1 or 2; the second has one more layer, with one more package.
        cache: The directory for things that can be made again.
        report: Reports what takes long.

    Raises:
        LocalCloudError: It cannot be made.
    """
    added = {1: (), 2: CI_LATER_PACKAGES}[generation]

    def make(directory: Path) -> None:
        with report.status(f"making the small CI image, generation {generation}"):
            base = {**tree.FRAME, **tree.unpack_packages(CI_PACKAGES)}
            layers: list[tree.Tree] = [base]
            if added:
                layers.append(tree.subtract(tree.unpack_packages(added), base))
            config = oci.ImageConfig(command=("/bin/sh",), environment={"PATH": PATH_INSIDE})
            oci.write_layout(directory, tag, layers, config)

    tag = f"v{generation}"
    directory = cache / f"image-ci-{tag}-{_key(*CI_PACKAGES, *added)}"
    return LocalImage(_make(directory, make, f"small CI image {tag}"), tag)


def make_c_toolchain(cache: Path, report: Reporter) -> LocalImage:
    """Return an image with a C compiler and the source of Lua, as the base of a real build.

    Making it takes 15 to 20 s on two cores, once.

    Raises:
        LocalCloudError: It cannot be made.
    """

    def make(directory: Path) -> None:
        with report.status("making the C compiler's image from Debian packages (once; 20 s)"):
            config = oci.ImageConfig(command=("/bin/sh",), environment={"PATH": PATH_INSIDE})
            oci.write_layout(directory, DEBIAN_SUITE, [c_toolchain.collect_files()], config)

    directory = cache / f"image-c-toolchain-{_key(*c_toolchain.PACKAGES, c_toolchain.SOURCE)}"
    return LocalImage(_make(directory, make, "C compiler"), DEBIAN_SUITE)


def copy_public(source: str, directory: Path, tag: str, report: Reporter) -> str | None:
    """Copy an image from a public registry, if that can be reached, into an OCI layout.

    Returns:
        None if it was copied, else the reason why not, in one line.
    """
    skopeo = ["skopeo", "--insecure-policy", "--override-os=linux", "--override-arch=amd64"]
    try:
        process.run(
            [*skopeo, "inspect", "--raw", f"docker://{source}"],
            timeout_seconds=PUBLIC_LOOK_SECONDS,
        )
        with report.status(f"copying {source}"):
            process.run(
                [*skopeo, "copy", "--quiet", f"docker://{source}", f"oci:{directory}:{tag}"],
                timeout_seconds=PUBLIC_COPY_SECONDS,
            )
    except process.CommandFailed as failure:
        for leftover in sorted(directory.rglob("*"), reverse=True):
            leftover.rmdir() if leftover.is_dir() else leftover.unlink()
        return _shorten(failure)
    return None


_BUILDKIT_CONFIG = oci.ImageConfig(
    entrypoint=("buildkitd",),
    # As in BuildKit's own Dockerfile: it moves its processes out of the container's root cgroup.
    environment={"PATH": PATH_INSIDE, "BUILDKIT_SETUP_CGROUPV2_ROOT": "1"},
    volumes=("/var/lib/buildkit",),
)


def _buildkit_files(programs: Path) -> tree.Tree:
    packages = tree.add_certificates(tree.unpack_packages(BUILDKIT_PACKAGES))
    compiled = {
        f"usr/bin/{name}": tree.program((programs / name).read_bytes())
        for name in go_programs.PROGRAMS
    }
    return {**tree.FRAME, **packages, **compiled}


def _make(directory: Path, make: Callable[[Path], None], name: str) -> Path:
    try:
        return make_once(directory, make)
    except (process.CommandFailed, OSError) as error:
        what = _shorten(error) if isinstance(error, process.CommandFailed) else str(error)
        raise LocalCloudError(
            f"the local registry's image {name} can neither be copied nor made: {what}",
            hint="it needs a container registry, or a Debian mirror and Go modules, once;"
            " run it again when one can be reached",
        ) from error


def _shorten(failure: process.CommandFailed) -> str:
    # skopeo's errors are log lines: time="..." level=fatal msg="what matters"
    logged = re.search(r'msg="(.*)"$', failure.what)
    what = logged[1].replace('\\"', '"') if logged else failure.what
    return what if len(what) <= LONGEST_REASON else f"...{what[-LONGEST_REASON:]}"


def _key(*packages: str) -> str:
    """Return a key of everything that the images are made from, this source code included."""
    here = Path(__file__).parent
    source = [(here / name).read_text() for name in _SOURCE_FILES]
    module = [(go_programs.MODULE / name).read_text() for name in go_programs.MODULE_FILES]
    return compute_key(DEBIAN_SUITE, *packages, *source, *module)
