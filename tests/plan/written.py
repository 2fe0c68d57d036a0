"""Plans that were written to a file, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amikiln.errors import PreflightError
from amikiln.model.plan import Plan
from amikiln.model.plan_file import seal, serialize
from amikiln.plan import resolve, reuse
from amikiln.plan.file import read_plan
from amikiln.spec.spec import Spec
from fakes import pin
from harness import NOTHING, Harness

Change = Callable[[Any], object]


def write(harness: Harness, wanted: Spec | None = None, change: Change = lambda p: None) -> Path:
    """Plan now, and write the plan; ``change`` makes another one of it."""
    file = harness.folder / "plan.json"
    fields = json.loads(serialize(resolve.plan(harness.image(wanted), harness.session, pin)))
    del fields["contents_sha256"]
    change(fields)
    file.write_bytes(seal(fields))
    return file


def use(harness: Harness, file: Path, wanted: Spec | None = None, ask: Any = pin) -> Plan:
    return reuse.use_plan(read_plan(file), harness.image(wanted), harness.session, ask)


def refuse(harness: Harness, file: Path, wanted: Spec | None = None, ask: Any = pin) -> str:
    """Return why a plan is not used."""
    with pytest.raises(PreflightError) as caught:
        use(harness, file, wanted, ask)
    assert caught.value.hint
    assert harness.holdings() == NOTHING
    return caught.value.what


def put(folder: Path, name: str, text: str = "true\n") -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)
