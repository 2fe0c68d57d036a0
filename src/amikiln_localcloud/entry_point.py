"""What the pipeline's command line finds through the entry point ``amikiln.clouds``: ``local``.

Nothing is imported before it is used: every ``amikiln --help`` may load this module.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

    from amikiln.runtime.progress import Reporter


def commands() -> typer.Typer:
    """Return the command group ``amikiln cloud``.

    Raises:
        PreflightError: The packages that the cloud needs are not installed.
    """
    from amikiln_localcloud.cli import cloud
    from amikiln_localcloud.extra import check_installed

    check_installed()
    return cloud


def enter(report: Reporter) -> None:
    """Make this process use the user's local cloud; start it if it is not up.

    The cloud's variables replace those in ``os.environ``: AWS clients and child processes follow.

    Args:
        report: Reports what takes long.

    Raises:
        AmikilnError: The local cloud does not start, or something that it needs cannot be made.
    """
    from amikiln_localcloud import Home, up, variables

    home = Home.default()
    up(home, report)
    variables.enter(home, os.environ)
