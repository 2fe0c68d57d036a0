"""Doctor: each look in both directions."""

from __future__ import annotations

import dataclasses
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from amikiln.doctor.account import look_at_account
from amikiln.doctor.finding import Level
from amikiln.doctor.machine import look_at_disk, look_at_machine, look_at_program
from harness import Harness

Usage = namedtuple("Usage", "total used free")


def write_program(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def test_a_program_is_there_with_its_version_or_missing_with_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}")
    write_program(tmp_path, "apt-get", "exit 1")
    found = look_at_program("git", "for contexts")
    assert (found.level, "apt-get install git" in found.mend) == (Level.MISSING, True)
    write_program(tmp_path, "git", "echo git version 2.39.5")
    found = look_at_program("git", "for contexts")
    assert (found.level, found.says, found.mend) == (Level.OK, "git version 2.39.5", "")
    write_program(tmp_path, "git", "exit 3")
    found = look_at_program("git", "for contexts")
    assert found.level is Level.WARNING
    assert "does not say its version" in found.says


def test_what_session_manager_needs_is_asked_for_only_with_it(tmp_path: Path) -> None:
    without = {found.what for found in look_at_machine(False, tmp_path)}
    needed = {found.what for found in look_at_machine(True, tmp_path)}
    assert needed - without == {"aws", "session-manager-plugin"}


def test_either_program_can_ask_registries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}")
    levels = {found.what: found.level for found in look_at_machine(False, tmp_path)}
    assert levels["skopeo"] is Level.MISSING
    write_program(tmp_path, "docker", "echo Docker version 27")
    levels = {found.what: found.level for found in look_at_machine(False, tmp_path)}
    assert (levels["docker"], "skopeo" in levels) == (Level.OK, False)


@pytest.mark.parametrize(("gib", "level"), [(5, Level.OK), (1, Level.WARNING)])
def test_a_disk_has_room_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gib: int, level: Level
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(9, 9, gib * 2**30))
    found = look_at_disk(tmp_path / "not" / "yet")
    assert (found.level, str(tmp_path) in found.says) == (level, True)


def test_the_caller_is_named_and_how_long_credentials_last(harness: Harness) -> None:
    cloud = harness.session.cloud
    first, *rest = look_at_account(cloud)
    assert cloud.caller in first.says
    assert cloud.account in first.says
    assert rest == []
    temporary = harness.boto.get_credentials()
    assert temporary is not None
    temporary.token = "for a while"
    lifetime = list(look_at_account(dataclasses.replace(cloud, credentials=temporary)))[1]
    assert (lifetime.what, lifetime.level) == ("lifetime", Level.WARNING)
    assert "cannot tell" in lifetime.says
