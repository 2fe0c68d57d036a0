"""What README.md promises is what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from amikiln import errors
from amikiln.cli import export, main
from amikiln_localcloud.cli import cloud as local_cloud_commands

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_listed_exit_codes_are_those_of_the_errors() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, errors.AmikilnError)}
    assert listed == codes | {0, errors.INTERRUPTED_EXIT_CODE}


PAGES = ("README.md", "CONTRIBUTING.md", "docs/migrate.md", "terraform/aws/README.md")


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_repository_lead_somewhere(page: str) -> None:
    file = ROOT / page
    links = re.findall(r"\]\((?!https?:)([^)#]+)", file.read_text())
    missing = [link for link in links if not (file.parent / link).exists()]
    assert missing == []


def test_no_row_of_the_original_s_features_is_empty() -> None:
    table = README.split("### The original's features")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert len(rows) > 15
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert len(cells) == 3, row
        assert all(cells), row


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_that_pages_name_exist(page: str) -> None:
    # In code alone: prose may say what amikiln does.
    code = "\n".join(re.findall(r"```.*?```|`[^`]+`", (ROOT / page).read_text(), re.DOTALL))
    named = set(re.findall(r"\bamikiln ((?:cloud |export )?[a-z-]+)\b", code))
    groups = {"cloud": local_cloud_commands, "export": export.export}
    known = {
        command.callback.__name__ for command in main.app.registered_commands if command.callback
    }
    for group, commands in groups.items():
        known.add(group)
        for command in commands.registered_commands:
            assert command.callback is not None
            known.add(f"{group} {command.name or command.callback.__name__}")
    assert named - known == set()
