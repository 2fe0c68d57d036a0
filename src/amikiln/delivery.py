"""What a machine is sent before it works: the recipe, the warm build's context, its secrets."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import IO

from amikiln import context, recipe
from amikiln.errors import SpecError
from amikiln.guest import Guest
from amikiln.model import Plan
from amikiln.recipe.warm import CONTEXT_DIRECTORY, SECRETS_DIRECTORY
from amikiln.spec import Spec
from amikiln.toolbox import Toolbox

SEND_SECONDS = 1800


def send_recipe(rendered: recipe.Recipe, guest: Guest, tools: Toolbox) -> None:
    """Send the recipe's folder."""
    _unpack(rendered.archive(), recipe.REMOTE_DIRECTORY, guest, tools, "the recipe")


def send_build(plan: Plan, guest: Guest, tools: Toolbox) -> None:
    """Send what the warm build needs besides the recipe; nothing where the spec has none.

    Raises:
        PreflightError: The context cannot be had any more.
    """
    if plan.context is None:
        return
    with context.packed(plan.context) as archive:
        _unpack(archive, CONTEXT_DIRECTORY, guest, tools, "the build's context")
    for name, value in tools.secrets.items():
        # Over stdin, into a tmpfs: not in argv, and never on a disk.
        guest.run(
            f"umask 077 && mkdir -p {SECRETS_DIRECTORY} &&"
            f" cat >{SECRETS_DIRECTORY}/{shlex.quote(name)}",
            input=value.encode(),
            timeout_seconds=SEND_SECONDS,
        )


def require_secrets(spec: Spec, given: Mapping[str, str]) -> None:
    """Compare the secrets that a build names with those that were given.

    Raises:
        SpecError: Some are missing, or were not asked for.
    """
    wanted = set(spec.warm.secrets if spec.warm is not None else ())
    faults = [f"the secret {name} is not given" for name in sorted(wanted - given.keys())]
    faults += [
        f"the secret {name} is given, and warm.secrets does not name it"
        for name in sorted(given.keys() - wanted)
    ]
    if faults:
        raise SpecError(
            "\n".join(faults),
            hint='write {"NAME": "value", ...} to a pipe, and name it with --secrets-fd',
        )


def _unpack(
    archive: bytes | IO[bytes], directory: str, guest: Guest, tools: Toolbox, what: str
) -> None:
    with tools.waiter.span(f"sending {what}"):
        guest.run(
            f"rm -rf {directory} && mkdir -p {directory} && tar -x -C {directory}",
            input=archive,
            timeout_seconds=SEND_SECONDS,
        )
