"""Repositories for the tests of contexts."""

from __future__ import annotations

import subprocess
from pathlib import Path


def git(directory: Path, *words: str) -> str:
    author = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    done = subprocess.run(
        ["git", "-C", str(directory), *author, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


class Repository:
    """A repository whose ``main`` has two commits.

    Attributes:
        url: Where it is fetched from.
        first: The commit before main's head.
        head: main's head.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()
        git(place, "init", "--quiet", "--initial-branch=main")
        self.url = f"file://{place}"
        self.first = self.commit({"a.txt": "one\ntwo\n", "windows.bat": "rem\r\n"})
        attributes = "*.bat text eol=crlf\n*.bin filter=lfs\n*.txt text\n"
        files = {".gitattributes": attributes, "b.txt": "three\n", "c.bin": "pointer\n"}
        self.head = self.commit(files)

    def commit(self, files: dict[str, str]) -> str:
        for name, content in files.items():
            (self.place / name).parent.mkdir(parents=True, exist_ok=True)
            (self.place / name).write_bytes(content.encode())
        git(self.place, "add", ".")
        git(self.place, "commit", "--quiet", "--message", "More")
        return git(self.place, "rev-parse", "HEAD")
