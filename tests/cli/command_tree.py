"""All commands, with their parsed options, as the help shows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from amikiln.cli.main import app


def walk() -> Iterator[tuple[str, Any, Any]]:
    """Yield each command's words, the command and its context: groups before what is in them."""
    yield from _walk(typer.main.get_command(app), "amikiln", None)


def list_commands() -> dict[str, Any]:
    """Return the commands that do something, by their words, without groups."""
    return {words: command for words, command, _ in walk() if not hasattr(command, "list_commands")}


def _walk(command: Any, name: str, parent: Any) -> Iterator[tuple[str, Any, Any]]:
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    yield context.command_path, command, context
    if hasattr(command, "list_commands"):
        for inner in command.list_commands(context):
            yield from _walk(command.get_command(context, inner), inner, context)
