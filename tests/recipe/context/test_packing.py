"""Equal content packs to equal bytes, whatever the file system, links, owners and times."""

from __future__ import annotations

import os
import socket
import tarfile
import tempfile
from pathlib import Path

import pytest

from amikiln.errors import PreflightError
from amikiln.recipe.context import packing


def pack(folder: Path) -> tuple[str, dict[str, tarfile.TarInfo]]:
    with tempfile.TemporaryFile() as archive:
        digest = packing.pack_folder(folder, archive)
        with tarfile.open(fileobj=archive) as tar:
            return digest, {member.name: member for member in tar}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file, a program, a link, and an empty folder."""
    place = tmp_path / "folder"
    (place / "a" / "empty").mkdir(parents=True)
    (place / "a" / "caf\u00e9.txt").write_text("milk\n")
    (place / "a-b").write_text("milk\n")
    (place / "run.sh").write_text("make\n")
    (place / "run.sh").chmod(0o755)
    (place / "link").symlink_to("run.sh")
    return place


def test_names_modes_and_content_are_all_that_is_packed(folder: Path) -> None:
    before, members = pack(folder)
    assert list(members) == ["a", "a-b", "a/caf\u00e9.txt", "a/empty", "link", "run.sh"]
    (folder / "a-b").unlink()
    os.link(folder / "a" / "caf\u00e9.txt", folder / "a-b")
    (folder / "a-b").chmod(0o664)
    (folder / "a").chmod(0o775)
    os.utime(folder / "run.sh", (1, 1))
    os.chown(folder / "run.sh", 2**31, 2**31)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(folder / "socket"))
        os.mkfifo(folder / "pipe")
        assert pack(folder)[0] == before
    (folder / "a-b").unlink()
    (folder / "a-b").write_text("milk")
    assert pack(folder)[0] != before


def test_a_sparse_file_is_packed_as_what_it_reads_as(tmp_path: Path) -> None:
    for name, sparse in {"one": False, "two": True}.items():
        (tmp_path / name).mkdir()
        with (tmp_path / name / "file").open("wb") as file:
            if sparse:
                file.truncate(2**20)
            else:
                file.write(bytes(2**20))
    assert pack(tmp_path / "one")[0] == pack(tmp_path / "two")[0]


def test_both_forms_of_a_name_pack_to_the_same_bytes(folder: Path) -> None:
    before = pack(folder)[0]
    (folder / "a" / "caf\u00e9.txt").rename(folder / "a" / "cafe\u0301.txt")
    assert pack(folder)[0] == before


def test_two_files_with_both_forms_of_a_name_are_refused(folder: Path) -> None:
    (folder / "a" / "cafe\u0301.txt").write_text("tea\n")
    with pytest.raises(PreflightError, match="the same name in two forms of Unicode"):
        pack(folder)


def test_names_that_are_long_or_no_unicode_survive(folder: Path) -> None:
    odd = os.fsdecode(b"latin-\xe9")
    (folder / odd).write_text("x")
    (folder / ("n" * 200) / ("m" * 200)).mkdir(parents=True)
    assert {odd, f"{'n' * 200}/{'m' * 200}"} <= pack(folder)[1].keys()


@pytest.mark.parametrize("name", [".git", "a/.git"])
def test_git_s_folder_and_a_work_tree_s_file_of_that_name_are_left_out(
    folder: Path, name: str
) -> None:
    before = pack(folder)[0]
    (folder / name).write_text(f"gitdir: {folder}\n")
    assert pack(folder)[0] == before
    (folder / name).unlink()
    (folder / name).mkdir()
    assert pack(folder)[0] == before


def test_what_cannot_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object, *rest: object, **more: object) -> object:
        if str(path).endswith(unreadable):
            raise PermissionError(13, "Permission denied", str(path))
        return real[rest_name](path, *rest, **more)  # type: ignore[operator]

    real = {"open": Path.open, "scandir": os.scandir}
    for rest_name, owner, unreadable in (("open", Path, "run.sh"), ("scandir", os, "empty")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, rest_name, refuse)
            with pytest.raises(PreflightError, match=rf"{unreadable}: Permission denied"):
                pack(folder)


def test_a_file_that_changes_while_it_is_packed_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = tarfile.TarFile.addfile

    def add_and_append(
        tar: tarfile.TarFile, member: tarfile.TarInfo, content: object = None
    ) -> None:
        add(tar, member, content)  # type: ignore[arg-type]
        if member.name == "run.sh":
            with (folder / "run.sh").open("a") as file:
                file.write("make all\n")

    monkeypatch.setattr(tarfile.TarFile, "addfile", add_and_append)
    with pytest.raises(PreflightError, match=r"run\.sh was changed while it was packed"):
        pack(folder)
