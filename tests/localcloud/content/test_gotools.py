"""Which Go compiles BuildKit, and how it is asked. Nothing is compiled here."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.localcloud.content.conftest import Notes, StandIn

from amikiln.localcloud.content import gotools


def test_the_module_pins_buildkit() -> None:
    assert gotools.buildkit_version() == "v0.26.3"


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26)),
        ("go version devel go1.27-abc linux/amd64", (1, 27)),
        ("what?", (0,)),
    ],
)
def test_versions_are_read(told: str, version: tuple[int, ...], stand_in: StandIn) -> None:
    stand_in("go", f"echo '{told}'")
    assert gotools.go_version("go") == version


def test_a_broken_go_has_no_version(stand_in: StandIn) -> None:
    stand_in("go", "exit 1")
    assert gotools.go_version("go") == (0,)


def test_the_machines_own_go_is_used_when_new_enough(
    programs: Path, tmp_path: Path, stand_in: StandIn, notes: Notes
) -> None:
    stand_in("go", "echo go version go1.25.0 linux/amd64")
    assert gotools.go(tmp_path / "cache", notes) == programs / "go"


def test_an_old_go_is_not(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stand_in: StandIn, notes: Notes
) -> None:
    stand_in("go", "echo go version go1.24.9 linux/amd64")
    stand_in("python", 'echo "$@" >"$(dirname "$0")/asked"')
    monkeypatch.setattr(gotools.sys, "executable", str(programs / "python"))
    found = gotools.go(tmp_path / "cache", notes)
    assert found.is_relative_to(tmp_path / "cache")
    asked = (programs / "asked").read_text()
    assert asked.startswith("-m pip install")
    assert "--require-hashes" in asked


def test_both_programs_are_compiled_from_a_copy(
    programs: Path, tmp_path: Path, stand_in: StandIn, notes: Notes
) -> None:
    # Says what it was asked, and makes what `go build -o DIRECTORY/` makes.
    script = """
    [ "$1" != version ] || { echo go version go1.25.0 linux/amd64; exit; }
    test -f go.mod -a -f go.sum -a -f tools.go || exit 3
    echo "$CGO_ENABLED $GOTOOLCHAIN $*" >"$(dirname "$0")/asked"
    while [ "$1" != -o ]; do shift; done
    touch "$2buildkitd" "$2buildctl"
    """
    stand_in("go", script)
    cache = tmp_path / "cache"
    made = gotools.programs(cache, notes)
    assert {path.name for path in made.iterdir()} == {"buildkitd", "buildctl"}
    asked = (programs / "asked").read_text()
    assert asked.startswith("0 local build")
    assert "version.Version=v0.26.3" in asked
    assert [path for path in cache.iterdir() if path.name.startswith(".compile")] == []
