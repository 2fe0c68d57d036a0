"""A commit's checkout has the same bytes whatever its user told git, and runs nothing of theirs."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest

from amikiln.errors import PreflightError
from amikiln.recipe.context import checkout
from amikiln.recipe.context.packing import write_tar
from recipe_context import Repository, git

HOSTILE = """
[core]
    autocrlf = true
    eol = crlf
    fileMode = false
    symlinks = false
    hooksPath = {hooks}
    fsmonitor = {hooks}/post-checkout
    attributesFile = {hooks}/attributes
    logAllRefUpdates = true
    compression = 0
[init]
    templateDir = {hooks}/template
    defaultBranch = trunk
[filter "lfs"]
    smudge = {hooks}/post-checkout
    process = {hooks}/post-checkout
    required = true
[filter "upper"]
    smudge = tr a-z A-Z
[fetch]
    prune = true
    writeCommitGraph = true
[feature]
    manyFiles = true
[index]
    version = 4
[pack]
    compression = 0
    window = 0
[repack]
    writeBitmaps = true
[submodule]
    recurse = true
"""


def pack(directory: Path, folder: str = ".") -> str:
    with tempfile.TemporaryFile() as archive:
        return write_tar(checkout.list_entries(directory, folder), archive)


def use_hostile_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let git's user have settings that change files and run programs; return what they make."""
    ran, hooks = tmp_path / "ran", tmp_path / "hooks"
    (hooks / "template" / "hooks").mkdir(parents=True)
    for name in ("post-checkout", "template/hooks/post-checkout", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {ran}\nexit 1\n")
        (hooks / name).chmod(0o755)
    (hooks / "attributes").write_text("*.txt filter=upper eol=crlf\n")
    (tmp_path / "gitconfig").write_text(HOSTILE.format(hooks=hooks))
    elsewhere = {
        "GIT_CONFIG_GLOBAL": tmp_path / "gitconfig",
        "GIT_DIR": tmp_path / "elsewhere",
        "GIT_WORK_TREE": tmp_path / "elsewhere",
        "GIT_INDEX_FILE": tmp_path / "elsewhere" / "index",
        "GIT_OBJECT_DIRECTORY": tmp_path / "elsewhere",
        "GIT_TEMPLATE_DIR": hooks / "template",
        "GIT_INDEX_VERSION": 4,
        "GIT_DEFAULT_HASH": "sha256",
    }
    for name, value in elsewhere.items():
        monkeypatch.setenv(name, str(value))
    return ran


def test_the_users_settings_change_no_byte_and_run_nothing(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = checkout.check_out(repository.url, repository.head, "main")
    assert (plain / "windows.bat").read_bytes() == b"rem\r\n"
    assert (plain / "a.txt").read_bytes() == b"one\ntwo\n"
    wanted = pack(plain)
    ran = use_hostile_settings(tmp_path, monkeypatch)
    old = os.umask(0o002)
    try:
        monkeypatch.setenv("AMIKILN_CACHE", str(tmp_path / "another-cache"))
        other = checkout.check_out(repository.url, repository.head, "main")
    finally:
        os.umask(old)
    assert other != plain
    assert pack(other) == wanted
    assert not ran.exists()


def test_how_a_repository_is_reached_stays_the_users(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gitconfig").write_text(
        f'[url "file://{tmp_path}/"]\n    insteadOf = https://git.example/\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    url = "https://git.example/repository"
    assert checkout.look_up_commit(url, "main") == repository.head
    assert (checkout.check_out(url, repository.head, "main") / "b.txt").is_file()


@pytest.mark.parametrize("ref", ["main", None])
def test_a_server_that_gives_out_branches_only_is_asked_for_the_branch(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ref: str | None
) -> None:
    wanted = pack(checkout.check_out(repository.url, repository.first, ref))
    # Servers of git's first protocol refuse what is no branch's head, unless they are told to.
    (tmp_path / "gitconfig").write_text("[protocol]\n    version = 0\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("AMIKILN_CACHE", str(tmp_path / "another-cache"))
    assert pack(checkout.check_out(repository.url, repository.first, ref)) == wanted


def test_a_commit_that_is_nowhere_is_named(repository: Repository) -> None:
    missing = "0123456789" * 4
    with pytest.raises(PreflightError, match=rf"has no commit {missing}: .*{missing}"):
        checkout.check_out(repository.url, missing, "main")


def test_a_tag_comes_before_a_branch_of_the_same_name_as_in_git(repository: Repository) -> None:
    git(repository.place, "tag", "both", repository.first)
    git(repository.place, "branch", "both", repository.head)
    assert checkout.look_up_commit(repository.url, "both") == repository.first
    assert checkout.look_up_commit(repository.url, "refs/heads/both") == repository.head


def test_a_submodule_is_an_empty_folder(repository: Repository) -> None:
    added = f"160000,{repository.first},sub/module"
    git(repository.place, "update-index", "--add", "--cacheinfo", added)
    git(repository.place, "commit", "--quiet", "--message", "A submodule")
    head = git(repository.place, "rev-parse", "HEAD")
    found = checkout.check_out(repository.url, head, None)
    kinds = {entry.name: entry.mode & 0o170000 for entry in checkout.list_entries(found, ".")}
    assert (kinds["sub"], kinds["sub/module"], kinds["a.txt"]) == (0o040000, 0o040000, 0o100000)


def test_two_files_that_are_one_on_this_file_system_are_refused(repository: Repository) -> None:
    head = repository.commit({"README": "a\n", "readme": "b\n"})
    found = checkout.check_out(repository.url, head, None)
    (found / "readme").unlink()
    os.link(found / "README", found / "readme")
    with pytest.raises(PreflightError, match="README and readme, which are one file"):
        pack(found)


def test_a_kept_checkout_with_a_file_gone_says_what_to_delete(repository: Repository) -> None:
    found = checkout.check_out(repository.url, repository.head, None)
    (found / "a.txt").unlink()
    with pytest.raises(PreflightError) as caught:
        pack(found)
    assert str(found.parent) in (caught.value.hint or "")


def test_checkouts_are_private_and_forgotten_after_some_days(repository: Repository) -> None:
    first = checkout.check_out(repository.url, repository.first, "main")
    assert first.parent.stat().st_mode & 0o777 == 0o700
    long_ago = time.time() - checkout.KEPT_SECONDS - 60
    os.utime(first.parent, (long_ago, long_ago))
    checkout.check_out(repository.url, repository.head, "main")
    assert not first.exists()
