"""How the help of every command looks: -h too, values by their names, an example at the end.

A command's docstring ends with its example: a paragraph that begins with ``\\b``, which keeps its
lines as they are, and then "Example:".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand

WIDEST = 100
"""Columns of help on a wider terminal: longer lines are hard to read."""
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": WIDEST}
"""What a command hands on to those below it."""

Function = TypeVar("Function", bound=Callable[..., Any])


class Command(TyperCommand):
    """A command whose arguments are shown as ``IMAGE``, and not as ``image <path>``."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [
            piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)
        ]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        arguments, options = [], []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            if parameter.param_type_name == "argument":
                # The usage line shows which of them are required.
                text = record[1].removesuffix("[required]").rstrip()
                arguments.append((parameter.metavar or str(parameter.name).upper(), text))
            else:
                options.append(record)
        for title, rows in (("Arguments", arguments), ("Options", options)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class Group(typer.Typer):
    """A group of commands; without a command it shows its help.

    Args:
        text: The group's help.
        settings: Typer's own.
    """

    def __init__(self, text: str, **settings: Any) -> None:
        # Help without rich, which takes longer to import than all the rest.
        super().__init__(
            help=text,
            no_args_is_help=True,
            rich_markup_mode=None,
            context_settings=CONTEXT,
            **settings,
        )

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Function], Function]:
        """Add a command, with the look of all."""
        return super().command(name, **{"cls": Command, **settings})
