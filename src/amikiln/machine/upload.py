"""Uploads what a machine needs: the recipe, and the warm build's context and secrets."""

from __future__ import annotations

import shlex
from typing import IO

from amikiln.model.plan import Plan
from amikiln.recipe import build_context, render
from amikiln.recipe.paths import CONTEXT_DIRECTORY, RECIPE_DIRECTORY, SECRETS_DIRECTORY
from amikiln.runtime.guest import Guest
from amikiln.session import Session


def send_recipe(
    rendered: render.Recipe, guest: Guest, session: Session, timeout_seconds: float
) -> None:
    """Send the recipe's folder."""
    archive = rendered.pack()
    _unpack(archive, RECIPE_DIRECTORY, guest, session, "the recipe", timeout_seconds)


def send_build(plan: Plan, guest: Guest, session: Session) -> None:
    """Send the warm build's context and secrets; nothing where the spec has no warm build.

    Args:
        plan: Says which context.
        guest: The machine.
        session: Has the secrets.

    Raises:
        PreflightError: The context has changed, or cannot be fetched any more.
    """
    if plan.context is None:
        return
    seconds = plan.spec.deadlines.step_seconds
    with build_context.pack_context(plan.context) as archive:
        _unpack(archive, CONTEXT_DIRECTORY, guest, session, "the build's context", seconds)
    for name, value in session.secrets.items():
        # Over stdin, into a tmpfs: not in argv, and never on a disk.
        guest.run(
            f"umask 077 && mkdir -p {SECRETS_DIRECTORY} &&"
            f" cat >{SECRETS_DIRECTORY}/{shlex.quote(name)}",
            input=value.encode(),
            timeout_seconds=seconds,
        )


def _unpack(
    archive: bytes | IO[bytes],
    directory: str,
    guest: Guest,
    session: Session,
    what: str,
    timeout_seconds: float,
) -> None:
    with session.waiter.span(f"sending {what}"):
        guest.run(
            f"rm -rf {directory} && mkdir -p {directory} && tar -x -C {directory}",
            input=archive,
            timeout_seconds=timeout_seconds,
        )
