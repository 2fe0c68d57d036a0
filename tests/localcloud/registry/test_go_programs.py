"""Which Go compiles BuildKit, and how it is asked. Nothing is compiled here."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.localcloud.registry.conftest import FakeProgram

from amikiln_localcloud.registry import go_programs
from fakes import Recorder


def test_the_module_pins_buildkit() -> None:
    assert go_programs.read_buildkit_version() == "v0.26.3"


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26)),
        ("go version devel go1.27-abc linux/amd64", (1, 27)),
        ("what?", (0,)),
    ],
)
def test_versions_are_read(told: str, version: tuple[int, ...], fake_program: FakeProgram) -> None:
    fake_program("go", f"echo '{told}'")
    assert go_programs.read_go_version("go") == version


def test_a_broken_go_has_no_version(fake_program: FakeProgram) -> None:
    fake_program("go", "exit 1")
    assert go_programs.read_go_version("go") == (0,)


def test_the_machines_own_go_is_used_when_new_enough(
    programs: Path, tmp_path: Path, fake_program: FakeProgram, report: Recorder
) -> None:
    fake_program("go", "echo go version go1.25.0 linux/amd64")
    assert go_programs.find_go(tmp_path / "cache", report) == programs / "go"


def test_an_old_go_is_not(
    programs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fake_program: FakeProgram,
    report: Recorder,
) -> None:
    fake_program("go", "echo go version go1.24.9 linux/amd64")
    fake_program("python", 'echo "$@" >"$(dirname "$0")/asked"')
    monkeypatch.setattr(go_programs.sys, "executable", str(programs / "python"))
    found = go_programs.find_go(tmp_path / "cache", report)
    assert found.is_relative_to(tmp_path / "cache")
    asked = (programs / "asked").read_text()
    assert asked.startswith("-m pip install")
    assert "--require-hashes" in asked


# Says what it was asked, and makes what `go build -o FILE` makes.
COMPILER = """
[ "$1" != version ] || { echo go version go1.25.0 linux/amd64; exit; }
test -f go.mod -a -f go.sum -a -f tools.go || exit 3
echo "$CGO_ENABLED $GOTOOLCHAIN $*" >>"$(dirname "$0")/asked"
while [ "$1" != -o ]; do shift; done
touch "$2"
"""


def test_both_programs_are_compiled_from_a_copy(
    programs: Path, tmp_path: Path, fake_program: FakeProgram, report: Recorder
) -> None:
    fake_program("go", COMPILER)
    cache = tmp_path / "cache"
    made = go_programs.compile_buildkit(cache, report)
    assert {path.name for path in made.iterdir()} == {"buildkitd", "buildctl"}
    asked = (programs / "asked").read_text()
    assert asked.startswith("0 local build")
    assert "version.Version=v0.26.3" in asked
    assert [path for path in cache.iterdir() if path.name.startswith(".compile")] == []


def a_module(folder: Path, tools: str) -> Path:
    folder.mkdir()
    for name in ("go.mod", "go.sum"):
        (folder / name).touch()
    (folder / "tools.go").write_text(f"package tools\n\n{tools}\n")
    return folder


@pytest.mark.parametrize(
    "tools",
    ['import _ "example.org/agent/v3"', 'import (\n\t_ "example.org/agent/v3"\n\t_ "other"\n)'],
)
def test_a_folder_names_the_program_and_its_first_package(
    tools: str, programs: Path, tmp_path: Path, fake_program: FakeProgram, report: Recorder
) -> None:
    fake_program("go", COMPILER)
    program = go_programs.read_pinned(a_module(tmp_path / "the-agent", tools))
    directory = program.directory_in(tmp_path / "cache")
    assert not directory.exists()
    assert go_programs.compile_programs(program, tmp_path / "cache", report) == directory
    assert [path.name for path in directory.iterdir()] == ["the-agent"]
    assert (programs / "asked").read_text().endswith("/the-agent example.org/agent/v3\n")


def test_another_pin_is_another_program(tmp_path: Path) -> None:
    folder = a_module(tmp_path / "the-agent", 'import _ "example.org/agent/v3"')
    before = go_programs.read_pinned(folder).directory_in(tmp_path)
    (folder / "go.sum").write_text("newer\n")
    assert go_programs.read_pinned(folder).directory_in(tmp_path) != before


def test_a_folder_that_names_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tools\.go imports no package"):
        go_programs.read_pinned(a_module(tmp_path / "the-agent", ""))
