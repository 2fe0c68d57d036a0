"""The images that the local registry serves, made into OCI layouts in the cache."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from amikiln.errors import LocalCloudError
from amikiln.runtime import process
from amikiln.runtime.cache import key_of, make_once
from amikiln.runtime.progress import Reporter
from amikiln_localcloud.registry import c_toolchain as toolchain
from amikiln_localcloud.registry import go_programs, oci, tree

PUBLIC_LOOK_SECONDS = 15
PUBLIC_COPY_SECONDS = 900
LONGEST_REASON = 200
_SOURCES = ("images.py", "oci.py", "c_toolchain.py", "tree.py")

BUILDKIT_PACKAGES = (
    "busybox-static",
    "ca-certificates",
    "libc6",
    "libgcc-s1",
    "libseccomp2",
    "runc",
)
STAND_IN_PACKAGES = ("busybox-static", "make")
STAND_IN_LATER_PACKAGES = (*STAND_IN_PACKAGES, "m4")

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
        return oci.digest_of(self.layout)


def buildkit(cache: Path, report: Reporter) -> LocalImage:
    """Return ``moby/buildkit``: the public one where it can be reached, else made here.

    Raises:
        LocalCloudError: It can neither be copied nor made.
    """
    version = go_programs.buildkit_version()
    made = cache / f"image-buildkit-{version}-{_key(*BUILDKIT_PACKAGES)}"
    public = f"docker.io/moby/buildkit:{version}"

    def make(directory: Path) -> None:
        why_not = copy_public(public, directory, version, report)
        if why_not is None:
            return
        report.line(f"no copy of {public} ({why_not}): making it from its Go module")
        programs = go_programs.programs(cache, report)
        with report.status("making BuildKit's image from Debian packages"):
            oci.write_layout(directory, version, [_buildkit_files(programs)], _BUILDKIT_CONFIG)

    return LocalImage(_make(made, make, f"moby/buildkit:{version}"), version)


def stand_in(generation: int, cache: Path, report: Reporter) -> LocalImage:
    """Return the small image that stands for a CI image of many gigabytes.

    Args:
        generation: 1, or 2: a layer with one more package on top of the first one's.
        cache: The directory for things that can be made again.
        report: Told what takes long.

    Raises:
        LocalCloudError: It cannot be made.
    """
    wanted = {1: (), 2: STAND_IN_LATER_PACKAGES}[generation]

    def make(directory: Path) -> None:
        with report.status(f"making the stand-in image, generation {generation}"):
            base = {**tree.FRAME, **tree.from_packages(STAND_IN_PACKAGES)}
            layers: list[tree.Tree] = [base]
            if wanted:
                layers.append(tree.added(tree.from_packages(wanted), base))
            config = oci.ImageConfig(command=("/bin/sh",), environment={"PATH": PATH_INSIDE})
            oci.write_layout(directory, tag, layers, config)

    tag = f"v{generation}"
    kept_at = cache / f"image-stand-in-{tag}-{_key(*STAND_IN_PACKAGES, *wanted)}"
    return LocalImage(_make(kept_at, make, f"stand-in {tag}"), tag)


def c_toolchain(cache: Path, report: Reporter) -> LocalImage:
    """Return an image with a C compiler and the source of Lua, for a real build to start from.

    Making it takes 15 to 20 s on two cores, and happens once.

    Raises:
        LocalCloudError: It cannot be made.
    """

    def make(directory: Path) -> None:
        with report.status("making the C compiler's image from Debian packages"):
            config = oci.ImageConfig(command=("/bin/sh",), environment={"PATH": PATH_INSIDE})
            oci.write_layout(directory, tree.SUITE, [toolchain.files()], config)

    kept_at = cache / f"image-c-toolchain-{_key(*toolchain.PACKAGES, toolchain.SOURCE)}"
    return LocalImage(_make(kept_at, make, "C compiler"), tree.SUITE)


def copy_public(source: str, directory: Path, tag: str, report: Reporter) -> str | None:
    """Copy an image from a public registry into an OCI layout, if that can be reached.

    Returns:
        None when it was copied, else why not, in one line.
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
        return _short(failure)
    return None


_BUILDKIT_CONFIG = oci.ImageConfig(
    entrypoint=("buildkitd",),
    # As in BuildKit's own Dockerfile: its processes leave the container's root cgroup.
    environment={"PATH": PATH_INSIDE, "BUILDKIT_SETUP_CGROUPV2_ROOT": "1"},
    volumes=("/var/lib/buildkit",),
)


def _buildkit_files(programs: Path) -> tree.Tree:
    packages = tree.with_certificates(tree.from_packages(BUILDKIT_PACKAGES))
    compiled = {
        f"usr/bin/{name}": tree.program((programs / name).read_bytes())
        for name in go_programs.PROGRAMS
    }
    return {**tree.FRAME, **packages, **compiled}


def _make(directory: Path, make: Callable[[Path], None], name: str) -> Path:
    try:
        return make_once(directory, make)
    except (process.CommandFailed, OSError) as error:
        what = _short(error) if isinstance(error, process.CommandFailed) else str(error)
        raise LocalCloudError(
            f"the local registry's image {name} can neither be copied nor made: {what}",
            hint="it needs a container registry, or a Debian mirror and Go modules, once;"
            " run it again when one can be reached",
        ) from error


def _short(failure: process.CommandFailed) -> str:
    # skopeo's errors are log lines: time="..." level=fatal msg="what matters"
    logged = re.search(r'msg="(.*)"$', failure.what)
    what = logged[1].replace('\\"', '"') if logged else failure.what
    return what if len(what) <= LONGEST_REASON else f"...{what[-LONGEST_REASON:]}"


def _key(*packages: str) -> str:
    """Return a key of what the images are made from, this package's own source included."""
    here = Path(__file__).parent
    source = [(here / name).read_text() for name in _SOURCES]
    module = [(go_programs.MODULE / name).read_text() for name in go_programs.MODULE_FILES]
    return key_of(tree.SUITE, *packages, *source, *module)
