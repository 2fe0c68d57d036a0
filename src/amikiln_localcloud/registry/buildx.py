"""Compiles buildx in the versions that machines of today have, each from its Go module."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from amikiln.runtime import process
from amikiln.runtime.cache import compute_key, make_once
from amikiln.runtime.progress import Reporter
from amikiln_localcloud.registry import go_programs

MODULE = "github.com/docker/buildx"
SUMS = {
    "0.12.1": "h1:oahmdKmkGaa8NnaWKvtDZe2vpSYsKZ+WsHOMLQTDCk8=",
    "0.13.1": "h1:uZjBcb477zh02tnHk0rqNV/DZOxbf/OiHw6Mc8OhDYU=",
    "0.19.2": "h1:2zXzgP2liQKgQ5BiOqMc+wz7hfWgAIMWw5MR6QDG++I=",
    "0.20.1": "h1:q88EfoYwrWEKVqNb9stOFq8fUlFp/OPlDcFE+QUYZBM=",
    "0.23.0": "h1:qoYhuWyZ6PVCrWbkxClLzBWDBCUkyFK6Chjzg6nU+V8=",
    "0.30.1": "h1:3vthfaTQOLt5QfN2nl7rKuPLUvx69nL5ZikFIXp//c8=",
}
"""The hash of each version's module (https://go.dev/ref/mod#go-sum-files), whose own go.sum has
those of all that it needs. 0.12.1 is Amazon Linux's, 0.13.1 Debian's; 0.19.2 and 0.20.1 refuse
an empty
--set=*.cache-to=, and from 0.20 on a bake file's access to files has to be granted."""
DOWNLOAD_SECONDS = 900


def find_program(version: str, cache: Path) -> Path | None:
    """Return buildx in a version; None if it was not compiled yet."""
    program = _directory(version, cache) / "docker-buildx"
    return program if program.exists() else None


def compile_program(version: str, cache: Path, report: Reporter) -> Path:
    """Return buildx in a version for linux/amd64; compile it if that did not happen yet.

    Raises:
        process.CommandFailed: Go or a module could not be fetched.
        ValueError: The module is not the one that is pinned.
    """

    def compile_into(directory: Path) -> None:
        _compile(version, cache, directory, report)

    return make_once(_directory(version, cache), compile_into) / "docker-buildx"


def _directory(version: str, cache: Path) -> Path:
    return cache / f"buildx-{version}-{compute_key(SUMS[version])}"


def _compile(version: str, cache: Path, directory: Path, report: Reporter) -> None:
    command = str(go_programs.find_go(cache, report))
    with tempfile.TemporaryDirectory(prefix=".compile-", dir=cache) as place:
        scratch = Path(place)
        env = go_programs.make_environment(scratch)
        with report.status(f"compiling buildx {version} (once; 1 to 3 minutes on two cores)"):
            download = [command, "mod", "download", "-json", f"{MODULE}@v{version}"]
            done = process.run(download, cwd=scratch, env=env, timeout_seconds=DOWNLOAD_SECONDS)
            module = json.loads(done.stdout)
            if module["Sum"] != SUMS[version]:
                raise ValueError(f"{MODULE} v{version} is {module['Sum']}, not {SUMS[version]}")
            # What is in Go's own store cannot be built in: there is no go.sum to write.
            source = Path(shutil.copytree(module["Dir"], scratch / "source"))
            for folder, _, _ in os.walk(source):
                Path(folder).chmod(0o755)
            flags = f"-s -w -X {MODULE}/version.Version=v{version}"
            build = ["build", "-mod=mod", "-trimpath", "-modcacherw", "-ldflags", flags]
            process.run(
                [command, *build, "-o", str(directory / "docker-buildx"), "./cmd/buildx"],
                cwd=source,
                env=env,
                timeout_seconds=go_programs.COMPILE_SECONDS,
            )
            process.run([command, "clean", "-modcache"], cwd=source, env=env, timeout_seconds=60)
