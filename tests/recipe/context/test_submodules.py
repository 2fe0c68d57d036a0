"""Submodules come as `git submodule update --init --recursive` leaves them, and no hostile ones."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest

from amikiln.errors import PreflightError
from amikiln.recipe.context import checkout
from amikiln.recipe.context.packing import write_tar
from amikiln.recipe.context.submodules import resolve_url
from recipe_context import Repository, git

ALLOW = """
[protocol "file"]
    allow = always
"""


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's settings: git takes no local file for a submodule's repository by default."""
    file = tmp_path / "gitconfig"
    file.write_text(ALLOW)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(file))
    return file


def add(repository: Repository, url: str, path: str, *, name: str | None = None) -> str:
    """Record a submodule as it is now, whatever its URL, and return the commit of that."""
    target = repository.place.parent / Path(url).name
    commit = git(target, "rev-parse", "HEAD") if url and target.is_dir() else repository.head
    git(repository.place, "update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
    modules = repository.place / ".gitmodules"
    before = modules.read_text() if modules.exists() else ""
    modules.write_text(f'{before}[submodule "{name or path}"]\n\tpath = {path}\n\turl = {url}\n')
    git(repository.place, "add", ".gitmodules")
    git(repository.place, "commit", "--quiet", "--message", "A submodule")
    return git(repository.place, "rev-parse", "HEAD")


@pytest.fixture
def nested(repository: Repository, tmp_path: Path) -> str:
    """A repository with a submodule that has one itself, both by relative URLs."""
    inner, outer = Repository(tmp_path / "inner"), Repository(tmp_path / "outer")
    inner.commit({"deep/file.txt": "inner\n"})
    add(outer, "../inner", "third party/inner", name="in")
    # What is recorded counts, not what is newest.
    head = add(repository, "../outer", "libs/outer")
    outer.commit({"later.txt": "later\n"})
    return head


def read(directory: Path, folder: str = ".") -> dict[str, bytes]:
    return {
        entry.name: entry.path.read_bytes()
        for entry in checkout.list_entries(directory, folder)
        if entry.path.is_file() and not entry.name.startswith(".git/")
    }


def pack(directory: Path) -> str:
    with tempfile.TemporaryFile() as archive:
        return write_tar(checkout.list_entries(directory, "."), archive)


def test_files_and_git_directories_are_as_git_itself_leaves_them(
    repository: Repository, nested: str, tmp_path: Path
) -> None:
    found = checkout.check_out(repository.url, nested, "main")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", repository.url, clone], check=True)
    git(clone, "checkout", "--quiet", nested)
    git(clone, "submodule", "--quiet", "update", "--init", "--recursive")
    listed = subprocess.run(
        ["find", ".", "-path", "./.git", "-prune", "-o", "-type", "f", "-printf", "%P\\0"],
        cwd=clone,
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = {name: (clone / name).read_bytes() for name in listed.stdout.split("\0") if name}
    assert read(found) == theirs
    assert theirs["libs/outer/third party/inner/deep/file.txt"] == b"inner\n"
    assert theirs["libs/outer/.git"] == b"gitdir: ../../.git/modules/libs/outer\n"
    # git works in it, as a build may want.
    assert git(found, "status", "--porcelain") == ""
    assert git(found / "libs/outer/third party/inner", "describe", "--always")
    assert read(found, "libs")["outer/third party/inner/deep/file.txt"] == b"inner\n"


def test_the_same_commit_packs_to_the_same_bytes(
    repository: Repository, nested: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pack(checkout.check_out(repository.url, nested, "main"))
    monkeypatch.setenv("AMIKILN_CACHE", str(tmp_path / "another"))
    assert pack(checkout.check_out(repository.url, nested, None)) == first


def test_without_submodules_their_folders_are_empty(repository: Repository, nested: str) -> None:
    found = checkout.check_out(repository.url, nested, "main", submodules=False)
    assert not [name for name in read(found) if name.startswith("libs")]
    assert checkout.check_out(repository.url, nested, "main") != found


def test_local_files_are_refused_as_git_refuses_them(
    repository: Repository, nested: str, settings: Path
) -> None:
    settings.write_text("")
    with pytest.raises(PreflightError, match=r"submodule outer .*'file' not allowed") as caught:
        checkout.check_out(repository.url, nested, "main")
    assert "warm.submodules = false" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("url", "path", "name", "said"),
    [
        ("--upload-pack=touch x", "sub", None, "is no URL"),
        ("ext::sh -c touch% x", "sub", None, "is no URL"),
        ("../outer", "sub", "../../hooks", "is no name of a submodule"),
        ("../outer", "sub", "a\\\\..\\\\b", "is no name of a submodule"),
        ("../../../../../../../../../../../../../x", "sub", None, "leads out of"),
        ("", "sub", None, "has no url"),
    ],
)
def test_hostile_ones_are_refused(
    repository: Repository, tmp_path: Path, url: str, path: str, name: str | None, said: str
) -> None:
    Repository(tmp_path / "outer")
    head = add(repository, url, path, name=name)
    with pytest.raises(PreflightError, match=said):
        checkout.check_out(repository.url, head, "main")


def test_a_name_within_anothers_is_refused(repository: Repository, tmp_path: Path) -> None:
    Repository(tmp_path / "outer")
    add(repository, "../outer", "one", name="a")
    head = add(repository, "../outer", "two", name="a/hooks")
    with pytest.raises(PreflightError, match=r"the submodule two .* within another's"):
        checkout.check_out(repository.url, head, "main")


def test_one_that_gitmodules_does_not_name_is_refused_and_one_without_updates_left_out(
    repository: Repository, tmp_path: Path
) -> None:
    Repository(tmp_path / "outer")
    head = add(repository, "../outer", "one")
    git(repository.place, "config", "--file", ".gitmodules", "submodule.one.update", "none")
    git(repository.place, "add", ".gitmodules")
    git(repository.place, "commit", "--quiet", "--message", "None")
    none = git(repository.place, "rev-parse", "HEAD")
    assert not [n for n in read(checkout.check_out(repository.url, none, None)) if "one/" in n]
    git(repository.place, "update-index", "--add", "--cacheinfo", f"160000,{head},two")
    git(repository.place, "commit", "--quiet", "--message", "Unnamed")
    unnamed = git(repository.place, "rev-parse", "HEAD")
    with pytest.raises(PreflightError, match=r"the submodule two .*\.gitmodules has no url for it"):
        checkout.check_out(repository.url, unnamed, "main")


@pytest.mark.parametrize(
    ("base", "url", "wanted"),
    [
        ("https://git.example/org/repo.git", "../sub.git", "https://git.example/org/sub.git"),
        ("https://git.example/org/repo/", "./sub", "https://git.example/org/repo/sub"),
        ("https://git.example/a/b", "../../x/y/", "https://git.example/x/y"),
        ("git@git.example:org/repo.git", "../sub.git", "git@git.example:org/sub.git"),
        ("git@git.example:repo.git", "../sub.git", "git@git.example:sub.git"),
        ("ssh://git@git.example:22/a/b", "../c", "ssh://git@git.example:22/a/c"),
        ("file:///srv/a", "../b", "file:///srv/b"),
        ("https://git.example/a", "https://else.example/b", "https://else.example/b"),
    ],
)
def test_relative_urls_are_from_the_repository_s_own(base: str, url: str, wanted: str) -> None:
    assert resolve_url(base, url) == wanted


def test_pointers_of_git_lfs_are_counted(repository: Repository) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    files = {"big.bin": pointer, "sub/other.bin": pointer, "text": f"a {pointer}"}
    head = repository.commit(files)
    found = checkout.check_out(repository.url, head, "main")
    assert checkout.count_lfs_pointers(checkout.list_entries(found, ".")) == 2
    assert checkout.count_lfs_pointers(checkout.list_entries(found, "sub")) == 1
