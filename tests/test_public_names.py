"""What other programs may import from amikiln, and that importing it costs nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import amikiln

PUBLIC = {
    "AmikilnError",
    "BakeError",
    "BakeResult",
    "FleetGroup",
    "ForceReason",
    "Image",
    "ImageFolder",
    "LeaseError",
    "Plan",
    "PlanFile",
    "PreflightError",
    "PublishError",
    "PublishResult",
    "RolloutError",
    "Run",
    "RunResult",
    "Session",
    "Spec",
    "SpecError",
    "Status",
    "Verdict",
    "VerdictFile",
    "VerifyError",
    "__version__",
    "bake_image",
    "load",
    "make_plan",
    "new_run",
    "open_session",
    "publish_image",
    "read_plan",
    "read_status",
    "roll_out",
    "run",
    "serialize_plan",
    "use_plan",
    "verify_image",
}


def test_these_names_are_public() -> None:
    assert set(amikiln.__all__) == PUBLIC
    assert set(dir(amikiln)) >= PUBLIC


def test_type_checkers_see_the_same_objects() -> None:
    stub = ast.parse(Path(amikiln.__file__).with_name("__init__.pyi").read_text())
    typed = {}
    for node in stub.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                module = __import__(str(node.module), fromlist=[alias.name])
                typed[alias.asname] = getattr(module, alias.name)
    assert typed.keys() == PUBLIC
    for name, value in typed.items():
        assert getattr(amikiln, name) is value, name


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        amikiln.nonsense  # noqa: B018


def test_the_import_alone_loads_no_other_module_of_the_project() -> None:
    program = "import amikiln, sys; print(*(m for m in sys.modules if m.startswith('amikiln')))"
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert sorted(shown.split()) == ["amikiln", "amikiln.version"]
