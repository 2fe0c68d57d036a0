"""Whether this system has a local cloud, and its packages are installed; imports none of them."""

from __future__ import annotations

import platform
import sys
from importlib.util import find_spec

from amikiln.errors import PreflightError
from amikiln.runtime.installed import find_line_for_extra


def check_installed() -> None:
    """Check that this is Linux, and that the packages of the extra ``local`` are installed.

    Raises:
        PreflightError: It is not, or they are not.
    """
    if sys.platform != "linux":
        raise PreflightError(
            f"the local cloud runs on Linux, and this is {platform.system()}",
            hint="without --local, amikiln works on AWS from here; or use a Linux machine",
        )
    if find_spec("moto") is None:
        raise PreflightError(
            "the packages of the local cloud are not installed",
            hint=find_line_for_extra("local"),
        )
