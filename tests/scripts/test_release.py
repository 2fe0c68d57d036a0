"""scripts/release: what it refuses before it makes anything. The whole is tried by running it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COPIED = ("scripts/release", "scripts/lib/usage.sh", "src/amikiln/version.py", "NEWS.md")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a git checkout with what the script reads, and a set-up that fails."""
    for name in COPIED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "scripts/lib/setup.sh").write_text("#!/bin/sh\necho set-up is reached\nexit 99\n")
    (tmp_path / "scripts/lib/setup.sh").chmod(0o755)
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    subprocess.run(["git", "-C", folder, *who, *words], check=True)


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")


def release(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [folder / "scripts/release", *words], capture_output=True, text=True, check=False
    )


def test_a_clean_tree_whose_version_has_its_news_goes_on(checkout: Path) -> None:
    done = release(checkout)
    assert (done.returncode, done.stdout) == (99, "set-up is reached\n")


@pytest.mark.parametrize("file", ["NEWS.md", "new.txt"])
def test_a_tree_with_changes_is_refused_and_named(checkout: Path, file: str) -> None:
    with (checkout / file).open("a") as opened:
        opened.write("more\n")
    done = release(checkout)
    assert (done.returncode, done.stdout) == (3, "")
    assert f" {file}" in done.stderr


def test_a_version_without_news_is_refused_with_both(checkout: Path) -> None:
    (checkout / "src/amikiln/version.py").write_text('__version__ = "9.8.7"\n')
    commit(checkout)
    done = release(checkout)
    assert (done.returncode, done.stdout) == (3, "")
    assert "says 9.8.7, and the newest heading of NEWS.md is '0." in done.stderr
    (checkout / "NEWS.md").write_text("# News\n\n## 9.8.7 (2027-01-01)\n\n## 0.1.0\n")
    commit(checkout)
    assert release(checkout).returncode == 99


def test_nothing_is_left_where_it_refuses(checkout: Path) -> None:
    (checkout / "new.txt").touch()
    assert release(checkout, "out").returncode == 3
    assert release(checkout, "--out").returncode == 2
    assert release(checkout, "out", "more").returncode == 2
    assert not (checkout / "out").exists()
    assert not (checkout / "dist").exists()
