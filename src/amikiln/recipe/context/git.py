"""git, as it is on a CI agent: the user's access, and none of the settings that change content."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from amikiln.errors import PreflightError
from amikiln.runtime import process

LOOKUP_SECONDS = 120
NO_REPOSITORY = Path("/")
"""Where git finds no repository whose settings it would take."""

ACCESS_VARIABLES = (
    "GIT_ALLOW_PROTOCOL",
    "GIT_ASKPASS",
    "GIT_CONFIG_",
    "GIT_EXEC_PATH",
    "GIT_HTTP_",
    "GIT_PROXY_",
    "GIT_SSH",
    "GIT_SSL_",
)
"""How the names begin of git's variables that say how to reach a repository. All others go: they
name another repository (inside a hook, GIT_DIR), or change what is written."""

NEUTRAL = {
    # What a file's content, name or mode becomes. .gitattributes of the repository itself count, as
    # they do in a job.
    "core.autocrlf": "false",
    "core.eol": "lf",
    "core.safecrlf": "false",
    "core.fileMode": "true",
    "core.symlinks": "true",
    "core.ignoreCase": "false",
    "core.precomposeUnicode": "false",
    "core.attributesFile": "/dev/null",
    "core.sparseCheckout": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    # Programs that would run.
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    # The form of .git: packs, the index, refs.
    "core.compression": "-1",
    "core.looseCompression": "-1",
    "core.bigFileThreshold": "512m",
    "core.logAllRefUpdates": "false",
    "core.sharedRepository": "false",
    "core.splitIndex": "false",
    "core.untrackedCache": "false",
    "feature.experimental": "false",
    "feature.manyFiles": "false",
    "fetch.prune": "false",
    "fetch.writeCommitGraph": "false",
    "index.skipHash": "false",
    "index.sparse": "false",
    "index.threads": "1",
    "index.version": "2",
    "init.defaultRefFormat": "files",
    "pack.compression": "-1",
    "pack.depth": "50",
    "pack.packSizeLimit": "0",
    "pack.threads": "1",
    "pack.useSparse": "false",
    "pack.window": "10",
    "pack.windowMemory": "0",
    "pack.writeReverseIndex": "false",
    "repack.updateServerInfo": "false",
    "repack.useDeltaBaseOffset": "true",
    "repack.useDeltaIslands": "false",
    "repack.writeBitmaps": "false",
    "advice.detachedHead": "false",
}
"""Settings that an agent's git has by default (https://git-scm.com/docs/git-config)."""


def run_git(
    *words: str | Path,
    at: Path | None = None,
    seconds: float = LOOKUP_SECONDS,
    is_asked_for: bool = True,
) -> bytes:
    """Run git and return what it wrote to stdout.

    Logins, proxies, ssh commands and ``url.*.insteadOf`` are the user's; hooks, filters and what
    changes content are not.

    Args:
        words: git's arguments.
        at: The repository; by default none.
        seconds: How long it may take.
        is_asked_for: Whether the user named the repository that it fetches from. From another one,
            as a submodule, git takes no local files by default.

    Raises:
        CommandFailed: git says that it failed.
    """
    settings = {**NEUTRAL, **dict(_disable_filters())}
    options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    return _run(*options, *words, at=at, seconds=seconds, is_asked_for=is_asked_for)


def explain(error: process.CommandFailed) -> PreflightError:
    """Return what to tell somebody whose context git cannot read."""
    return PreflightError(
        f"git cannot read the warm build's context: {error.tail.strip() or error.what}",
        hint="correct warm.context in image.toml, or let git log in"
        " (its credential helpers and ssh keys are asked)",
    )


def _run(*words: str | Path, at: Path | None, seconds: float, is_asked_for: bool = True) -> bytes:
    # https://git-scm.com/docs/git#Documentation/git.txt-GITPROTOCOLFROMUSER
    environment = {**_environment(), "GIT_PROTOCOL_FROM_USER": str(int(is_asked_for))}
    place = at or NO_REPOSITORY
    return process.run(
        ["git", "-C", place, *words], timeout_seconds=seconds, env=environment
    ).stdout


def _environment() -> Mapping[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(ACCESS_VARIABLES)
    }
    # Nobody is there to answer, and errors are read.
    quiet = {"GIT_TERMINAL_PROMPT": "0", "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
    return {**kept, **quiet, "GIT_ATTR_NOSYSTEM": "1", "GIT_OPTIONAL_LOCKS": "0"}


def _disable_filters() -> Iterator[tuple[str, str]]:
    """Yield settings without which a filter that the user has, as git-lfs's, would run."""
    try:
        names = _run(
            "config", "--null", "--name-only", "--get-regexp", r"^filter\.",
            at=None, seconds=LOOKUP_SECONDS,
        )  # fmt: skip
    except process.CommandFailed:
        # There is none.
        return
    for key in {name.rpartition(".")[0] for name in names.decode().split("\0") if name}:
        yield from ((f"{key}.{part}", "") for part in ("clean", "smudge", "process"))
        yield f"{key}.required", "false"
