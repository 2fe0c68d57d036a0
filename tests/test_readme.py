"""What README.md and the pages of docs/ promise is what the code has."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from amikiln import errors
from amikiln.cli import export, main
from amikiln.spec import load
from amikiln_localcloud.cli import cloud as local_cloud_commands

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
LONGEST_README_LINES = 150
LONGEST_PICTURE_LINES = 25


def test_the_listed_exit_codes_are_those_of_the_errors() -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, errors.AmikilnError)}
    assert listed == codes | {0, errors.INTERRUPTED_EXIT_CODE}


PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "terraform/aws/README.md",
    *sorted(page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").glob("*.md")),
)


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_repository_lead_somewhere(page: str) -> None:
    file = ROOT / page
    links = re.findall(r"\]\((?!https?:)([^)#]+)", file.read_text())
    missing = [link for link in links if not (file.parent / link).exists()]
    assert missing == []


def test_no_row_of_the_original_s_features_is_empty() -> None:
    table = (ROOT / "docs" / "original.md").read_text().split("## The original's features")[1]
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
    named = set(re.findall(r"\bamikiln ((?:cloud |export )?[a-z][a-z-]*)\b", code))
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


def test_the_readme_s_own_image_is_a_whole_spec() -> None:
    example = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)[0]
    spec = load.parse(tomllib.loads(example), origin="README.md")
    assert spec.name != "cpu-build"


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= LONGEST_README_LINES


def test_the_picture_of_the_rooms_is_drawn_once_and_fits_a_screen() -> None:
    drawn = [
        (page, picture)
        for page in PAGES
        for picture in re.findall(r"```\n(images/.*?)```", (ROOT / page).read_text(), re.DOTALL)
    ]
    assert [page for page, _ in drawn] == ["CONTRIBUTING.md"]
    picture = drawn[0][1]
    assert len(picture.splitlines()) <= LONGEST_PICTURE_LINES
    rooms = [
        room
        for names in re.findall(r"^  (\S+(?: \S+)*)  ", picture, re.MULTILINE)
        for room in names.split()
    ]
    packages = [ROOT / "src" / "amikiln", ROOT / "src" / "amikiln_localcloud"]
    assert [
        room for room in rooms if not any((package / room).exists() for package in packages)
    ] == []
    assert {f"{room.name}/" for room in packages[0].glob("*") if room.is_dir()} <= {
        *rooms,
        "__pycache__/",
    }
