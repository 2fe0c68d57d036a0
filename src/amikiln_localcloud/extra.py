"""Whether the packages of the extra ``local`` are installed; imports none of them."""

from __future__ import annotations

from importlib.util import find_spec

from amikiln.errors import PreflightError


def check_installed() -> None:
    """Check that the packages of the extra ``local`` are installed.

    Raises:
        PreflightError: They are not.
    """
    if find_spec("moto") is None:
        raise PreflightError(
            "the packages of the local cloud are not installed", hint="pip install 'amikiln[local]'"
        )
