"""The warm build's context: equal content gives equal bytes, and nothing moves under a run."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from pathlib import Path

import pytest

from amikiln.errors import PreflightError
from amikiln.recipe import build_context
from amikiln.spec.content import Warm


def git(directory: Path, *words: str) -> str:
    author = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    done = subprocess.run(
        ["git", "-C", str(directory), *author, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a branch, an annotated tag and a folder in it."""
    monkeypatch.setenv("AMIKILN_CACHE", str(tmp_path / "cache"))
    place = tmp_path / "repository"
    (place / "docker").mkdir(parents=True)
    git(place, "init", "--quiet", "--initial-branch=main")
    (place / "docker" / "Dockerfile").write_text("FROM scratch\n")
    (place / "build.sh").write_text("make\n")
    (place / "build.sh").chmod(0o700)
    (place / "link").symlink_to("build.sh")
    git(place, "add", ".")
    git(place, "commit", "--quiet", "--message", "First")
    git(place, "tag", "--annotate", "v1", "--message", "Release")
    return place


def url(repository: Path, ref: str) -> Warm:
    return Warm(context=f"file://{repository}#{ref}", dockerfile="docker/Dockerfile")


FOLDER = Warm(context="repository", dockerfile="docker/Dockerfile")


def packed(found: build_context.Context) -> tuple[str, dict[str, tarfile.TarInfo]]:
    """Return the hash of the tar file, and what is in it."""
    with build_context.pack_context(found) as archive:
        digest = hashlib.sha256(archive.read()).hexdigest()
        archive.seek(0)
        with tarfile.open(fileobj=archive) as tar:
            return digest, {member.name: member for member in tar}


@pytest.mark.parametrize("ref", ["main", "v1"])
def test_a_ref_becomes_a_commit_once(repository: Path, ref: str, tmp_path: Path) -> None:
    commit = git(repository, "rev-parse", "main")
    found = build_context.resolve_context(url(repository, ref), tmp_path)
    assert found.identity == f"commit:{commit}"
    (repository / "build.sh").write_text("make all\n")
    git(repository, "commit", "--quiet", "--all", "--message", "Second")
    assert packed(found)[1]["build.sh"].size == len("make\n")


def test_a_commit_is_fetched_once_for_plan_bake_and_verify(
    repository: Path, tmp_path: Path
) -> None:
    commit = git(repository, "rev-parse", "main")
    found = build_context.resolve_context(url(repository, commit), tmp_path / "nowhere")
    assert found.identity == f"commit:{commit}"
    repository.rename(tmp_path / "gone")
    assert "build.sh" in packed(found)[1]
    assert build_context.resolve_context(url(repository, commit), tmp_path) == found


def test_a_commit_is_packed_with_the_same_bytes_each_time(repository: Path, tmp_path: Path) -> None:
    found = build_context.resolve_context(url(repository, "main"), tmp_path)
    first, members = packed(found)
    assert packed(found)[0] == first
    assert {"docker/Dockerfile", "build.sh", "link", ".git/index", ".git/HEAD"} <= members.keys()
    assert not [name for name in members if "hooks" in name or "logs" in name]
    assert members["build.sh"].mode == 0o755
    assert members["docker/Dockerfile"].mode == 0o644
    assert members["link"].linkname == "build.sh"
    assert {(member.mtime, member.uid, member.uname) for member in members.values()} == {(0, 0, "")}


@pytest.mark.parametrize("folder", ["docker", "/docker", "docker/", "./docker", "to-docker"])
def test_a_folder_of_the_repository_can_be_all_of_it(
    repository: Path, tmp_path: Path, folder: str
) -> None:
    (repository / "to-docker").symlink_to("docker")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "A link")
    warm = Warm(context=f"file://{repository}#main:{folder}", dockerfile="Dockerfile")
    found = build_context.resolve_context(warm, tmp_path)
    assert packed(found)[1].keys() == {"Dockerfile"}


@pytest.mark.parametrize(
    ("folder", "why"),
    [
        ("gone", "gone is not there"),
        ("build.sh", "build.sh is no folder"),
        ("out", "out leads out of the repository"),
        ("root", "root leads out of the repository"),
        ("loop", "loop leads out of the repository"),
        (".git", ".git is not a part of the commit"),
        ("etc", "etc is not there"),
    ],
)
def test_what_is_no_folder_of_the_repository_is_refused(
    repository: Path, tmp_path: Path, folder: str, why: str
) -> None:
    for name, target in {"out": "../outside", "root": "/", "loop": "loop"}.items():
        (repository / name).symlink_to(target)
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "Links")
    with pytest.raises(PreflightError, match=why):
        build_context.resolve_context(url(repository, f"main:/{folder}"), tmp_path)


def test_an_unknown_ref_is_named(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match=r"no branch and no tag gone") as caught:
        build_context.resolve_context(url(repository, "gone"), tmp_path)
    assert caught.value.exit_code == 3


def test_a_repository_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match=r"git cannot read .*nothing"):
        build_context.resolve_context(url(tmp_path / "nothing", "main"), tmp_path)


def test_a_folder_is_packed_without_its_git_directory(repository: Path) -> None:
    found = build_context.resolve_context(FOLDER, repository.parent)
    members = packed(found)[1]
    assert members.keys() == {"docker", "docker/Dockerfile", "build.sh", "link"}


def test_another_time_or_owner_is_the_same_folder(repository: Path) -> None:
    first = build_context.resolve_context(FOLDER, repository.parent)
    (repository / "build.sh").touch()
    (repository / "build.sh").chmod(0o755)
    assert build_context.resolve_context(FOLDER, repository.parent) == first
    (repository / "build.sh").chmod(0o644)
    assert build_context.resolve_context(FOLDER, repository.parent) != first


def test_a_folder_that_changes_after_it_was_planned_is_refused(repository: Path) -> None:
    found = build_context.resolve_context(FOLDER, repository.parent)
    (repository / "build.sh").write_text("make all\n")
    with pytest.raises(PreflightError, match="was changed since it was planned"):
        packed(found)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match=r"there is no folder .*warm"):
        build_context.resolve_context(Warm(context="warm"), tmp_path)
    (tmp_path / "warm").write_text("")
    with pytest.raises(PreflightError, match=r"warm is no folder"):
        build_context.resolve_context(Warm(context="warm"), tmp_path)


def test_a_link_to_a_folder_leads_to_one_of_the_checkout_or_is_refused(repository: Path) -> None:
    image = repository / "images" / "cpu"
    image.mkdir(parents=True)
    (image / "warm").symlink_to("../../docker")
    warm = Warm(context="warm", dockerfile="Dockerfile")
    assert packed(build_context.resolve_context(warm, image))[1].keys() == {"Dockerfile"}
    outside = repository.parent / "outside"
    outside.mkdir()
    (outside / "Dockerfile").write_text("FROM scratch\n")
    (image / "warm").unlink()
    (image / "warm").symlink_to(outside)
    with pytest.raises(PreflightError, match="leads out of the checkout"):
        build_context.resolve_context(warm, image)


@pytest.mark.parametrize(
    "context",
    [
        "..",
        "../warm",
        "warm/../..",
        "https://example.org/a.git#main:..",
        "file:///a#main:a/../../b",
    ],
)
def test_a_way_up_is_refused_when_the_spec_is_read(context: str) -> None:
    with pytest.raises(ValueError, match="may lead out of the"):
        Warm(context=context)


def test_a_context_that_lacks_what_is_built_is_refused_before_anything_is_made(
    repository: Path, tmp_path: Path
) -> None:
    for context in (f"file://{repository}#main", "repository"):
        warm = Warm(context=context, bake_files=["docker/bake.hcl", "ci.json"])
        with pytest.raises(PreflightError) as caught:
            build_context.resolve_context(warm, repository.parent)
        assert [line.partition(": has ")[2] for line in caught.value.what.splitlines()] == [
            "no file docker/bake.hcl (warm.bake_files)",
            "no file ci.json (warm.bake_files)",
        ]
