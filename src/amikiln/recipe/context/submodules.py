"""Submodules of a checkout, as `git submodule update --init --recursive` leaves them on an agent.

Each is its recorded commit, below its path a file `.git` that leads to `.git/modules/NAME` of the
repository above it. What git refuses of a name, a path or a URL is refused here, too
(https://git-scm.com/docs/gitmodules, https://git-scm.com/docs/gitsubmodules).
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from amikiln.errors import PreflightError
from amikiln.recipe.context.git import run_git
from amikiln.runtime.process import CommandFailed

MOST = 500
"""How many a commit may have, those of submodules among them."""
HINT = (
    "correct .gitmodules in that repository; or set warm.submodules = false, if the jobs' agents"
    " check out without submodules (BUILDKITE_GIT_SUBMODULES=false)"
)
SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(frozen=True)
class Submodule:
    """A submodule of one repository.

    Attributes:
        name: Its name in `.gitmodules`.
        path: Where it is, from its repository's top.
        url: Where it is fetched from.
        commit: The one that is recorded.
    """

    name: str
    path: str
    url: str
    commit: str


Fetch = Callable[[Path, str, str], None]
"""Makes a repository with a commit checked out: where, its URL, and the commit."""


def fill_submodules(top: Path, url: str, fetch: Fetch) -> int:
    """Fetch all submodules of a checkout, and theirs.

    Args:
        top: The checkout; its `.git` is a folder.
        url: Where it was fetched from: URLs of submodules may be relative to it.
        fetch: Fetches one.

    Returns:
        How many there are.

    Raises:
        PreflightError: One cannot be told from `.gitmodules`, or is what git itself refuses.
        CommandFailed: One cannot be fetched.
    """
    return _fill(top, top / ".git", url, fetch, 0)


def _fill(top: Path, git_directory: Path, url: str, fetch: Fetch, count: int) -> int:
    taken: list[Path] = []
    for module in _list_submodules(top, url):
        count += 1
        if count > MOST:
            raise PreflightError(f"{url} has more than {MOST} submodules", hint=HINT)
        place, kept = top / module.path, git_directory / "modules" / module.name
        # Not through a link: what is behind it is no part of the checkout.
        if place.resolve() != top.resolve() / module.path:
            raise _refuse(url, module.path, "its path leads through a link")
        if any(kept.is_relative_to(other) or other.is_relative_to(kept) for other in taken):
            raise _refuse(url, module.path, f"its name {module.name} is within another's")
        taken.append(kept)
        fetch(place, module.url, module.commit)
        kept.parent.mkdir(parents=True, exist_ok=True)
        (place / ".git").rename(kept)
        (place / ".git").write_text(f"gitdir: {os.path.relpath(kept, place)}\n")
        with (kept / "config").open("a") as config:
            config.write(f"[core]\n\tworktree = {os.path.relpath(place, kept)}\n")
        count = _fill(place, kept, module.url, fetch, count)
    return count


def resolve_url(base: str, url: str) -> str:
    """Return where a submodule is, whose URL may be relative to that of the repository above.

    Raises:
        ValueError: It leads out of what the base names.
    """
    if not url.startswith(("./", "../")):
        return url
    scheme = SCHEME.match(base)
    host_end = len(scheme[0]) if scheme else 0
    above, separator = base.rstrip("/"), "/"
    while url.startswith(("./", "../")):
        if url.startswith("../"):
            slash, colon = above.rfind("/", host_end), above.rfind(":", host_end)
            if slash < 0 and (colon < 0 or scheme):
                raise ValueError(f"{url} leads out of {base}")
            separator = "/" if slash >= 0 else ":"
            above = above[: slash if slash >= 0 else colon]
            url = url[3:]
        else:
            url = url[2:]
    return f"{above}{separator}{url}".rstrip("/")


def _list_submodules(top: Path, url: str) -> Iterator[Submodule]:
    recorded: dict[str, str] = {}
    has_settings = False
    for line in os.fsdecode(run_git("ls-files", "--stage", "-z", at=top)).split("\0"):
        about, _, path = line.partition("\t")
        has_settings = has_settings or path == ".gitmodules"
        if about.startswith("160000 "):
            recorded[path] = about.split()[1]
    if not has_settings and (top / ".git").is_dir():
        # An agent does not ask for submodules then, and their folders stay empty:
        # https://github.com/buildkite/agent/blob/main/internal/job/checkout.go
        return
    settings = _read_settings(top, url) if has_settings else {}
    names = {
        posixpath.normpath(values["path"]): name
        for name, values in settings.items()
        if "path" in values
    }
    for path, commit in recorded.items():
        name = names.get(path)
        place = settings[name].get("url") if name is not None else None
        if name is None or not place:
            raise _refuse(url, path, ".gitmodules has no url for it")
        if settings[name].get("update") == "none":
            continue
        if ".." in re.split(r"[/\\]", name) or name.startswith(("/", "-")) or not name:
            raise _refuse(url, path, f"{name} is no name of a submodule")
        if place.startswith("-") or "::" in place.partition("/")[0] or not place.isprintable():
            raise _refuse(url, path, f"{place!r} is no URL")
        try:
            yield Submodule(name, path, resolve_url(url, place), commit)
        except ValueError as error:
            raise _refuse(url, path, str(error)) from error


def _read_settings(top: Path, url: str) -> dict[str, dict[str, str]]:
    """Return what `.gitmodules` of the commit says, by the submodules' names."""
    try:
        listed = run_git("config", "--blob", "HEAD:.gitmodules", "--null", "--list", at=top)
    except CommandFailed as error:
        said = error.tail.strip() or error.what
        raise PreflightError(f"{url}: .gitmodules cannot be read: {said}", hint=HINT) from error
    found: dict[str, dict[str, str]] = {}
    for entry in os.fsdecode(listed).split("\0"):
        key, _, value = entry.partition("\n")
        section, _, rest = key.partition(".")
        name, _, variable = rest.rpartition(".")
        if section == "submodule" and name:
            found.setdefault(name, {})[variable] = value
    return found


def _refuse(url: str, path: str, why: str) -> PreflightError:
    return PreflightError(f"the submodule {path} of {url}: {why}", hint=HINT)
