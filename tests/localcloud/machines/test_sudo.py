"""How root's part of a machine is started for a user; tests/vm has machines that are."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from amikiln_localcloud.machines.container import sudo
from amikiln_localcloud.machines.container.keeper import Wanted
from amikiln_localcloud.machines.container.sudo import SudoKeeper
from amikiln_localcloud.machines.contract import MachineFailure

REFUSES = "#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n"
LETS = '#!/bin/sh\nshift 2\nexec "$@"\n'


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sudo of the test's own."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    program = tmp_path / "sudo"
    program.touch(mode=0o755)
    return program


def test_sudo_never_asks_and_root_gets_no_variable_of_the_users() -> None:
    argv = sudo.build_command("keep")
    assert argv[:5] == ["sudo", "-n", "--", "env", "-i"]
    assert f"PATH={sudo.PATH}" in argv
    assert "-B" in argv, "root would leave byte code in the user's folders"


def test_root_answers(fake: Path) -> None:
    fake.write_text(LETS)
    answer = sudo.ask("missing")
    assert answer is None or isinstance(answer, str)


def test_sudos_own_words_are_the_reason(fake: Path) -> None:
    fake.write_text(REFUSES)
    with pytest.raises(MachineFailure, match=r"^sudo: a password is required$"):
        sudo.ask("missing")


def test_a_machine_that_sudo_refuses_does_not_start(fake: Path, tmp_path: Path) -> None:
    fake.write_text(REFUSES)
    keeper = SudoKeeper("i-1", tmp_path / "root.log")
    with pytest.raises(MachineFailure, match="ended: sudo: a password is required"):
        keeper.start(Wanted(tmp_path, 512, 1, [], "127.0.1.2", []))
    keeper.end()
    with pytest.raises(MachineFailure):
        keeper.restrict()


def test_a_process_that_root_has_not_ended_runs(tmp_path: Path) -> None:
    child = sudo.RemoteChild(SudoKeeper("i-1", tmp_path / "log"), "network", 1)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.01)
    child.note_end(7)
    child.note_end(-9)
    assert child.wait() == 7
