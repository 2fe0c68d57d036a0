"""The lines that bring what is missing."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path

import pytest

from amikiln.runtime import installed, process

GIT = {"url": "https://example.com/amikiln.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}


class Distribution:
    """An installed amikiln."""

    version = "1.2.3"

    def __init__(self, origin: dict[str, object] | None) -> None:
        self._origin = origin

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return None if self._origin is None else json.dumps(self._origin)


@pytest.mark.parametrize(
    ("origin", "wanted"),
    [
        (GIT, "'amikiln[local] @ git+https://example.com/amikiln.git@abc'"),
        (None, "'amikiln[local]==1.2.3'"),
        ({"url": "file:///a%20b/x.whl"}, "'amikiln[local] @ file:///a%20b/x.whl'"),
        (
            {"url": "file:///src/a%20b", "dir_info": {"editable": True}},
            "--editable '/src/a b[local]'",
        ),
    ],
)
@pytest.mark.parametrize(
    ("mark", "command"),
    [
        ("uv-receipt.toml", "uv tool install --force"),
        ("pipx_metadata.json", "pipx install --force"),
        (None, f"{sys.executable} -m pip install"),
    ],
)
def test_an_extra_comes_from_where_amikiln_came(
    origin: dict[str, object] | None,
    wanted: str,
    mark: str | None,
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metadata, "distribution", lambda name: Distribution(origin))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    if mark is not None:
        (tmp_path / mark).touch()
    assert installed.find_line_for_extra("local") == f"{command} {wanted}"


@pytest.mark.parametrize(
    ("manager", "line"),
    [
        ("apt-get", "sudo apt-get install openssh-client skopeo"),
        ("dnf", "sudo dnf install openssh-clients skopeo"),
        ("brew", "brew install openssh skopeo"),
        (None, "install skopeo, ssh, and see that PATH has it"),
    ],
)
def test_a_program_comes_with_a_package_of_the_system(
    manager: str | None, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        installed.shutil, "which", lambda name: f"/usr/bin/{name}" if name == manager else None
    )
    assert installed.find_line_for("skopeo", "ssh") == line


def test_a_missing_program_is_named_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        installed.shutil, "which", lambda name: "/usr/bin/dnf" if name == "dnf" else None
    )
    with pytest.raises(process.CommandMissing) as raised:
        process.run(["skopeo", "--version"])
    assert raised.value.hint == "sudo dnf install skopeo"
    assert installed.find_line_for("session-manager-plugin").startswith(
        "session-manager-plugin: https://"
    )
