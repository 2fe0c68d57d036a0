"""What the machine that amikiln runs on has to have for a plan: programs, and the scanner."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from amikiln.model.plan import Plan
from amikiln.recipe import scanner
from amikiln.runtime.installed import find_line_for
from amikiln.session import Session

PROGRAMS = ("ssh", "ssh-keygen")
"""What reaches a machine. The others were needed for the plan itself."""


def check_this_machine(plan: Plan, session: Session) -> Iterator[str]:
    """Yield what is missing here, with the line that brings it; fetch the scanner where needed.

    Args:
        plan: What is to be done.
        session: Reports what takes long.
    """
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        yield f"not installed here: {', '.join(missing)} ({find_line_for(*missing)})"
    if fault := scanner.find_fault(plan.spec.source.architecture, session.report):
        yield fault
