"""What is missing on the machine that amikiln runs on is a fault of the plan, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from amikiln.plan import this_machine
from amikiln.recipe import scanner
from fakes import plan
from harness import Harness


def test_a_machine_that_has_everything_has_no_fault(harness: Harness) -> None:
    assert list(this_machine.check_this_machine(plan(), harness.session)) == []


def test_all_that_is_missing_is_said_at_once(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dnf").write_text("#!/bin/sh\n")
    (tmp_path / "dnf").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(scanner, "find_fault", lambda architecture, report: f"no {architecture}")
    assert list(this_machine.check_this_machine(plan(), harness.session)) == [
        "not installed here: ssh, ssh-keygen (sudo dnf install openssh-clients)",
        "no x86_64",
    ]
