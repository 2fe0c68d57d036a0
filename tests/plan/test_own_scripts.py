"""Own steps and checks are parsed by a shell of this machine, and not run, before a bake."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from amikiln.errors import SpecError
from amikiln.plan.own_scripts import check_scripts
from amikiln.plan.resolve import plan as make_plan
from fakes import pin
from harness import Harness


def put(harness: Harness, name: str, content: str) -> Path:
    file = harness.folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(content)
    return file


def test_every_script_that_no_shell_parses_is_named_before_the_cloud_is_asked(
    harness: Harness,
) -> None:
    step = put(harness, "steps/before-seal.sh", "#!/bin/sh\nif true; then\necho\n")
    check = put(harness, "checks/mine.sh", "echo 'open\n")
    with pytest.raises(SpecError) as caught:
        make_plan(harness.image(), harness.session, pin)
    first, second = caught.value.what.splitlines()
    assert first.startswith(f"{step}: `sh -n` refuses it: ")
    assert second.startswith(f"{check}: `sh -n` refuses it: ")


def test_nothing_is_run(harness: Harness) -> None:
    mark = harness.folder / "was-run"
    put(harness, "steps/before-seal.sh", f"touch {mark}\n")
    check_scripts(harness.image(), harness.session)
    assert not mark.exists()


def test_a_script_for_bash_is_parsed_by_bash_and_said_to_be_run_by_sh(harness: Harness) -> None:
    step = put(harness, "steps/before-seal.sh", "#!/usr/bin/env bash\nwords=(a b)\n")
    check_scripts(harness.image(), harness.session)
    assert f"warning: {step} is for bash, and machines run it by sh" in harness.report.read()
    step.write_text("#!/bin/bash\nwords=(a b\n")
    with pytest.raises(SpecError, match="`bash -n` refuses it: "):
        check_scripts(harness.image(), harness.session)


def test_without_bash_here_sh_is_asked(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    there = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "bash" else there(name))
    put(harness, "steps/before-seal.sh", "#!/bin/bash\nif true; then\n")
    with pytest.raises(SpecError, match="`sh -n` refuses it: "):
        check_scripts(harness.image(), harness.session)
