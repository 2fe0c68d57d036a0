"""A commit of a git repository, checked out as an agent does it, once for all stages of a run."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from amikiln.errors import PreflightError
from amikiln.recipe.context.git import explain, run_git
from amikiln.recipe.context.packing import Entry
from amikiln.recipe.context.submodules import fill_submodules
from amikiln.runtime.cache import compute_key, make_once
from amikiln.runtime.directories import cache_directory
from amikiln.runtime.process import CommandFailed

FETCH_SECONDS = 1800
DEPTHS = (50, 1000, 2**31 - 1)
"""How many commits of a branch are fetched, where a server does not give out the one we want."""
FORM = "2"
"""Of the checkouts that are kept: another one makes them anew."""
KEPT_SECONDS = 2 * 24 * 3600

LFS_POINTER, LFS_POINTER_BYTES = b"version https://git-lfs.github.com/spec/v1\n", 1024

GIT_FILES = re.compile(r"HEAD|config|index|shallow|packed-refs|objects/pack/[^/]+\.(pack|idx)")
"""What of .git is the same for everybody who fetches a commit with the same version of git."""
GIT_CONFIG = b"[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n"
GIT_CONFIG_SHA256 = (
    b"[core]\n\trepositoryformatversion = 1\n\tfilemode = true\n\tbare = false\n"
    b"[extensions]\n\tobjectformat = sha256\n"
)

REGULAR, EXECUTABLE, LINK, SUBMODULE = "100644", "100755", "120000", "160000"
MODES = {
    REGULAR: stat.S_IFREG | 0o644,
    "100664": stat.S_IFREG | 0o644,
    EXECUTABLE: stat.S_IFREG | 0o755,
    LINK: stat.S_IFLNK | 0o777,
    SUBMODULE: stat.S_IFDIR | 0o755,
}


def look_up_commit(repository: str, ref: str) -> str:
    """Return the commit that a branch, tag or other ref of a repository names now.

    Raises:
        PreflightError: There is no such repository or ref, or git cannot log in.
    """
    try:
        answer = run_git("ls-remote", "--", repository, ref, f"{ref}^{{}}")
    except CommandFailed as error:
        raise explain(error) from error
    lines = answer.decode(errors="surrogateescape").splitlines()
    found = {name: commit for commit, _, name in (line.partition("\t") for line in lines)}
    # In git's own order (gitrevisions(7)); ^{} is what an annotated tag names.
    for name in (
        f"{ref}^{{}}",
        ref,
        f"refs/tags/{ref}^{{}}",
        f"refs/tags/{ref}",
        f"refs/heads/{ref}",
    ):
        if name in found:
            return found[name]
    raise PreflightError(
        f"{repository} has no branch and no tag {ref}", hint="correct warm.context in image.toml"
    )


def check_out(repository: str, commit: str, ref: str | None, submodules: bool = True) -> Path:
    """Return a checkout of a commit, which is fetched once and kept for some days.

    Args:
        repository: Its URL.
        commit: All of its hexadecimal digits.
        ref: The branch or tag that it is in, as far as known: some servers give out no other
            commits than those.
        submodules: Whether to fetch its submodules, too, and theirs.

    Raises:
        PreflightError: The repository or a submodule cannot be read, or has no such commit.
    """
    kept = cache_directory() / "contexts"
    _forget_old(kept)
    form = FORM if submodules else f"{FORM} without submodules"

    def fill(partial: Path) -> None:
        partial.chmod(0o700)
        top = partial / "checkout"
        try:
            _fill(top, repository, commit, ref, is_asked_for=True)
            if submodules:
                fill_submodules(top, repository, _fill_submodule)
        except CommandFailed as error:
            raise explain(error) from error

    made = make_once(kept / compute_key(form, repository, commit), fill)
    os.utime(made)
    return made / "checkout"


def list_entries(checkout: Path, folder: str) -> Iterator[Entry]:
    """Yield what is in a folder of a checkout, by the names and modes that git has for it.

    Args:
        checkout: From ``check_out``.
        folder: Within it; of ``.`` the ``.git`` is a part.

    Raises:
        PreflightError: This machine's file system cannot hold what the commit has.
    """
    prefix = "" if folder == "." else f"{folder}/"
    seen: dict[tuple[int, int], str] = {}
    folders: set[str] = set()
    for mode, name in _list_with_submodules(checkout):
        path = checkout / name
        try:
            status = path.lstat()
        except OSError as error:
            raise PreflightError(
                f"{path} is not as it was fetched: {error.strerror}",
                hint=f"delete the folder {checkout.parent}, and run again",
            ) from error
        same = seen.setdefault((status.st_dev, status.st_ino), name)
        if same != name and not stat.S_ISDIR(status.st_mode):
            raise PreflightError(
                f"the commit has {same} and {name}, which are one file on this machine's file"
                " system",
                hint="run on a file system that tells capitals and forms of Unicode apart, or"
                " rename one of them",
            )
        if not name.startswith(prefix):
            continue
        within = name.removeprefix(prefix)
        for above in list(Path(within).parents)[:-1]:
            folders.add(above.as_posix())
        yield Entry(within, path, MODES[mode])
    for within in folders:
        yield Entry(within, checkout / prefix / within, stat.S_IFDIR | 0o755)
    if not prefix:
        yield from _list_repository(checkout)


def list_files(checkout: Path) -> Iterator[tuple[str, str]]:
    """Yield mode and name of everything in a commit, as git writes them."""
    listed = run_git("ls-files", "--stage", "-z", at=checkout)
    for line in os.fsdecode(listed).split("\0"):
        if line:
            about, _, name = line.partition("\t")
            yield about.split()[0], name


def _list_with_submodules(checkout: Path, below: str = "") -> Iterator[tuple[str, str]]:
    for mode, name in list_files(checkout):
        if mode != SUBMODULE or not (checkout / name / ".git").is_file():
            yield mode, f"{below}{name}"
        else:
            yield REGULAR, f"{below}{name}/.git"
            yield from _list_with_submodules(checkout / name, f"{below}{name}/")


def count_lfs_pointers(entries: Iterable[Entry]) -> int:
    """Return how many files are what git-lfs leaves in a repository in place of large ones.

    https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
    """
    return sum(
        stat.S_ISREG(entry.mode)
        and entry.path.stat().st_size < LFS_POINTER_BYTES
        and entry.path.read_bytes().startswith(LFS_POINTER)
        for entry in entries
        if not entry.name.startswith(".git/")
    )


def _list_repository(checkout: Path) -> Iterator[Entry]:
    top = checkout / ".git"
    yield Entry(".git", top, stat.S_IFDIR | 0o755)
    for above, folders, files in os.walk(top):
        for name in (*folders, *files):
            path = Path(above, name)
            mode = stat.S_IFDIR | 0o755 if name in folders else stat.S_IFREG | 0o644
            yield Entry(path.relative_to(checkout).as_posix(), path, mode)


def _fill_submodule(into: Path, url: str, commit: str) -> None:
    try:
        _fill(into, url, commit, None, is_asked_for=False)
    except CommandFailed as error:
        said = error.tail.strip() or error.what
        raise PreflightError(
            f"git cannot read the submodule {into.name} from {url}: {said}",
            hint="let git log in there (its credential helpers and ssh keys are asked), or set"
            " warm.submodules = false, if the jobs' agents check out without submodules",
        ) from error


def _fill(into: Path, url: str, commit: str, ref: str | None, *, is_asked_for: bool) -> None:
    """Make a repository with a commit checked out.

    Args:
        into: Where.
        url: Where it is fetched from.
        commit: The commit.
        ref: What it is in, if that is known.
        is_asked_for: Whether the user named the URL; git allows fewer protocols to others.

    Raises:
        CommandFailed: It cannot be fetched.
    """
    form = "sha256" if len(commit) == 64 else "sha1"
    # Templates have hooks and examples, which differ between versions of git.
    start = ("init", "--quiet", "--template=", f"--object-format={form}")
    run_git(*start, "--initial-branch=main", "--", into)
    try:
        _fetch(into, url, commit, is_asked_for=is_asked_for)
    except CommandFailed as refused:
        with tempfile.TemporaryDirectory(prefix="amikiln-fetch-") as scratch:
            run_git(*start, "--bare", "--", scratch)
            _fetch_around(Path(scratch), url, commit, ref, refused, is_asked_for)
            # Now it is the head of a branch, and can be fetched as all others are.
            run_git("update-ref", "refs/heads/wanted", commit, at=Path(scratch))
            _fetch(into, f"file://{scratch}", commit)
    run_git("checkout", "--quiet", "--detach", commit, at=into, seconds=FETCH_SECONDS)
    run_git("repack", "-a", "-d", "-f", "--quiet", at=into, seconds=FETCH_SECONDS)
    # A new index has no times and no inodes.
    (into / ".git" / "index").unlink()
    run_git("read-tree", "HEAD", at=into)
    (into / ".git" / "config").write_bytes(GIT_CONFIG if form == "sha1" else GIT_CONFIG_SHA256)
    for path in (into / ".git").rglob("*"):
        if path.is_file() and not GIT_FILES.fullmatch(path.relative_to(into / ".git").as_posix()):
            path.unlink()
    for path in sorted((into / ".git").rglob("*"), reverse=True):
        if path.is_dir() and path.name not in {"refs", "objects"} and not any(path.iterdir()):
            path.rmdir()


def _fetch(
    into: Path, repository: str, *refs: str, depth: int = 1, is_asked_for: bool = True
) -> None:
    limit = [f"--depth={depth}"] if depth else []
    words = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", *limit]
    run_git(
        *words, "--", repository, *refs, at=into, seconds=FETCH_SECONDS, is_asked_for=is_asked_for
    )


def _fetch_around(
    into: Path,
    repository: str,
    commit: str,
    ref: str | None,
    refused: CommandFailed,
    is_asked_for: bool,
) -> None:
    """Fetch what a server has, until the commit is in it.

    Servers may give out branches and tags only, not every commit that is in one: git's own setting
    uploadpack.allowReachableSHA1InWant is off.
    """
    attempts = [([ref], depth) for depth in DEPTHS] if ref is not None else []
    for refs, depth in [*attempts, (["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"], 0)]:
        _fetch(into, repository, *refs, depth=depth, is_asked_for=is_asked_for)
        if _has(into, commit):
            return
    raise PreflightError(
        f"{repository} has no commit {commit}: {refused.tail.strip() or refused.what}",
        hint="correct warm.context in image.toml, or what names the commit",
    )


def _has(repository: Path, commit: str) -> bool:
    try:
        run_git("cat-file", "-e", f"{commit}^{{commit}}", at=repository)
    except CommandFailed:
        return False
    return True


def _forget_old(kept: Path) -> None:
    if not kept.is_dir():
        return
    for directory in kept.iterdir():
        if directory.is_dir() and time.time() - directory.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(directory, ignore_errors=True)
