"""Uploads what a machine needs: the recipe, and the warm build's context and secrets."""

from __future__ import annotations

import shlex
from typing import IO

from amikiln.machine.logins import find_logins, render_docker_config
from amikiln.model.plan import Plan
from amikiln.recipe import build_context, render
from amikiln.recipe.paths import (
    CONTEXT_DIRECTORY,
    LOGINS_DIRECTORY,
    RECIPE_DIRECTORY,
    SECRETS_DIRECTORY,
)
from amikiln.runtime.guest import Guest
from amikiln.session import Session
from amikiln.spec import timing
from amikiln.spec.spec import Spec


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
    needed = plan.spec.warm.secrets if plan.spec.warm is not None else ()
    for name in needed:
        _write_secret(f"{SECRETS_DIRECTORY}/{name}", session.secrets[name].encode(), guest)


def send_logins(spec: Spec, guest: Guest, session: Session) -> None:
    """Send the logins of a spec's registries, as Docker's configuration; none if it has none.

    Raises:
        PreflightError: One of them cannot be had any more.
    """
    if spec.docker.logins:
        config = render_docker_config(find_logins(spec, session))
        _write_secret(f"{LOGINS_DIRECTORY}/config.json", config, guest)


def remove_secrets(guest: Guest) -> None:
    """Remove logins and secrets, as the recipe does after the warm build."""
    guest.run(
        f"rm -rf {LOGINS_DIRECTORY} {SECRETS_DIRECTORY}", timeout_seconds=timing.SECRET_SECONDS
    )


def _write_secret(file: str, content: bytes, guest: Guest) -> None:
    # Over stdin, into a tmpfs: not in argv, and never on a disk.
    quoted = shlex.quote(file)
    guest.run(
        f"umask 077 && mkdir -p $(dirname {quoted}) && cat >{quoted}",
        input=content,
        timeout_seconds=timing.SECRET_SECONDS,
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
            f"umask 022 && rm -rf {directory} && mkdir -p {directory} && tar -x -C {directory}",
            input=archive,
            timeout_seconds=timeout_seconds,
        )
