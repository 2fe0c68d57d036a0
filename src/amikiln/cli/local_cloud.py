"""The local cloud, a package of its own that joins through an entry point.

It gives the commands ``amikiln cloud`` and what ``--local`` needs. Its own requirements come with
the extra ``local``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

import typer
from typer.core import TyperGroup

from amikiln.errors import PreflightError

if TYPE_CHECKING:
    from amikiln.runtime.progress import Reporter

GROUP, NAME = "amikiln.clouds", "local"
HELP = """Run a local cloud.

It has the API of AWS, and its machines really boot."""


class LocalCloud(Protocol):
    """What the entry point leads to."""

    def commands(self) -> typer.Typer:
        """Return the commands ``amikiln cloud ...``.

        Raises:
            PreflightError: What the local cloud needs is not installed.
        """

    def enter(self, report: Reporter) -> None:
        """Start the local cloud if it is not up, and let this process use it instead of AWS.

        Raises:
            PreflightError: What the local cloud needs is not installed.
            AmikilnError: It does not start.
        """


def find_local_cloud() -> LocalCloud:
    """Load the local cloud.

    Raises:
        PreflightError: It is not installed.
    """
    from importlib.metadata import entry_points

    for entry_point in entry_points(group=GROUP, name=NAME):
        return cast(LocalCloud, entry_point.load())
    from amikiln.runtime.installed import find_line_for_extra

    raise PreflightError("the local cloud is not installed", hint=find_line_for_extra("local"))


class CloudGroup(TyperGroup):
    """``amikiln cloud``: its commands are loaded when they are listed or called."""

    def list_commands(self, ctx: Any) -> list[str]:
        try:
            return self._load().list_commands(ctx)
        except PreflightError:
            # Help is shown all the same; it says what to install.
            return []

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        try:
            self._load()
        except PreflightError as error:
            # Not wrapped: it is to be copied.
            formatter.write(f"\n{error.what[0].upper()}{error.what[1:]}. What helps:\n")
            formatter.write(f"  {error.hint}\n")

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return self._load().get_command(ctx, cmd_name)

    def _load(self) -> TyperGroup:
        commands = find_local_cloud().commands()
        commands.rich_markup_mode = self.rich_markup_mode
        return cast(TyperGroup, typer.main.get_command(commands))
