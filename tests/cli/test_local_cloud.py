"""The local cloud as the command line finds it: through an entry point, or not at all."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import typer

from amikiln.cli import local_cloud, main, prepare
from amikiln.errors import PreflightError
from amikiln.runtime.installed import find_line_for_extra
from amikiln_localcloud import extra

IMAGE = Path(__file__).parents[2] / "images" / "cpu-build"
INSTALL = find_line_for_extra("local")


@pytest.fixture(params=["no entry point", "no extra"])
def without(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the package, or what its extra installs."""
    found: list[metadata.EntryPoint] = []
    if request.param == "no extra":
        found = [metadata.EntryPoint("local", "amikiln_localcloud.entry_point", "amikiln.clouds")]
        monkeypatch.setattr(extra, "find_spec", lambda name: None)
    monkeypatch.setattr(metadata, "entry_points", lambda **wanted: found)


@pytest.mark.usefixtures("without")
def test_without_it_its_commands_say_in_one_line_how_to_get_it() -> None:
    with pytest.raises(PreflightError, match="not installed") as caught:
        main.app(["cloud", "status"], standalone_mode=False)
    assert (caught.value.exit_code, caught.value.hint) == (3, INSTALL)


@pytest.mark.usefixtures("without")
def test_without_it_local_says_so_too_before_any_cloud_is_asked() -> None:
    with pytest.raises(PreflightError, match="not installed") as caught:
        prepare.prepare(IMAGE, local=True)
    assert caught.value.hint == INSTALL


@pytest.mark.usefixtures("without")
def test_without_it_help_is_still_help(capsys: pytest.CaptureFixture[str]) -> None:
    main.app(["cloud", "--help"], standalone_mode=False)
    shown = capsys.readouterr().out
    assert INSTALL in shown
    assert "Commands:" not in shown


def test_its_commands_are_loaded_on_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class OtherCloud:
        def commands(self) -> typer.Typer:
            commands = typer.Typer()

            @commands.command()
            def up() -> None:
                """Start it."""
                print("started")

            @commands.command()
            def down() -> None:
                """End it."""

            return commands

    monkeypatch.setattr(local_cloud, "find_local_cloud", OtherCloud)
    main.app(["cloud", "--help"], standalone_mode=False)
    shown = capsys.readouterr().out.partition("Commands:")[2].split("\n")
    assert [line.split() for line in shown if line] == [
        ["up", "Start", "it."],
        ["down", "End", "it."],
    ]
    main.app(["cloud", "up"], standalone_mode=False)
    assert capsys.readouterr().out == "started\n"


def test_local_enters_it_before_the_session_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    class OtherCloud:
        def enter(self, report: Any) -> None:
            order.append("enter")

    monkeypatch.setattr(prepare, "find_local_cloud", OtherCloud)
    monkeypatch.setattr(
        "amikiln.open_session", lambda region, *given, **options: order.append(region)
    )
    folder, _ = prepare.prepare(IMAGE, local=True)
    assert order == ["enter", folder.spec.region]


def test_the_installed_package_has_it() -> None:
    found = local_cloud.find_local_cloud()
    names = [
        command.callback.__name__
        for command in found.commands().registered_commands
        if command.callback
    ]
    assert {"up", "down", "status", "env", "reset"} <= set(names)
