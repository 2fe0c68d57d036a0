"""The homes of users: what the seal removes from them, and what the short list looks for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import amikiln.recipe

GUEST = Path(amikiln.recipe.__file__).parent / "guest"
PASSWD = """root:x:0:0::/root:/bin/sh
daemon:x:1:1::/usr/sbin:/usr/sbin/nologin
lp:x:7:7::/var/spool/lpd:/usr/sbin/nologin
nobody:x:65534:65534::/:/usr/sbin/nologin
agent:x:990:990::/var/lib/agent:/bin/sh
builder:x:991:991::/data/builder:/bin/sh
library:x:992:992::/library:/bin/sh
gone:x:993:993::/opt/gone:/bin/sh
"""
HOMES = ["data/builder", "home/a b", "home/somebody", "library", "root", "var/lib/agent"]
NOT_HOMES = ["usr/sbin", "var/spool/lpd", "etc"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in (*HOMES, *NOT_HOMES):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/passwd").write_text(PASSWD)
    return tmp_path


def run(script: str, *arguments: str | Path) -> list[str]:
    command = ["sh", "-eu", "-c", f". ./homes.sh; {script}", "sh", *arguments]
    ran = subprocess.run(command, cwd=GUEST, stdout=subprocess.PIPE, text=True, check=True)
    return ran.stdout.splitlines()


def test_homes_of_users_are_listed_wherever_they_are_and_parts_of_the_system_not(
    root: Path,
) -> None:
    assert run('list_homes "$1"', root) == [f"{root}/{home}" for home in HOMES]


@pytest.mark.parametrize(
    ("function", "files"),
    [
        ("with_histories", [".bash_history", ".sqlite_history", ".lesshst", ".viminfo"]),
        ("with_authorized_keys", [".ssh/authorized_keys", ".ssh/authorized_keys2"]),
        ("with_registry_logins", [".docker/config.json", ".dockercfg"]),
    ],
)
def test_a_command_gets_the_files_of_a_home(root: Path, function: str, files: list[str]) -> None:
    for name in files:
        file = root / "root" / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
    shown = run(f'{function} "$1" printf "%s\\n" first', root / "root")
    assert shown[0] == "first"
    assert [one for one in shown[1:] if Path(one).exists()] == [f"{root}/root/{f}" for f in files]


def test_the_short_list_finds_what_the_seal_removes(root: Path) -> None:
    (root / "data/builder/.sqlite_history").write_text("select secret\n")
    (root / "library/.lesshst").write_text(".shell\n")
    (root / "usr/sbin/.bash_history").write_text("ls\n")
    ran = subprocess.run(
        ["sh", "short-list.sh", root], cwd=GUEST, stdout=subprocess.PIPE, text=True, check=True
    )
    assert ran.stdout == "history\t/data/builder/.sqlite_history\nhistory\t/library/.lesshst\n"
