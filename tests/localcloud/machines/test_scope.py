"""A machine's scope where systemd is PID 1, as command lines: no such host is here to run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from amikiln.runtime.process import CommandFailed
from amikiln_localcloud.machines.container import scope
from amikiln_localcloud.machines.container.boot_groups import divide
from amikiln_localcloud.machines.container.cgroups import Hierarchies, MachineGroup
from amikiln_localcloud.machines.container.scope import MachineScope, enclose


def test_the_scope_is_delegated_and_below_a_slice_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(scope.process, "run", lambda argv: None)
    folder = tmp_path / "amikiln.slice" / "amikiln-i-1.scope"
    assert MachineScope(tmp_path, "i-1").create(2048) == [
        "systemd-run",
        "--scope",
        "--collect",
        "--quiet",
        "--slice=amikiln.slice",
        "--unit=amikiln-i-1.scope",
        "--property=Delegate=yes",
        "--property=TasksMax=infinity",
        "--",
        *divide(folder),
    ]


def test_devices_are_closed_once_the_disk_is_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran: list[list[str]] = []
    protected: list[Path] = []
    monkeypatch.setattr(scope.process, "run", lambda argv: ran.append(argv))
    monkeypatch.setattr(scope.kernel_settings, "protect", protected.append)
    MachineScope(tmp_path, "i-1").restrict()
    assert protected == [tmp_path / "amikiln.slice" / "amikiln-i-1.scope"]
    (argv,) = ran
    assert argv[:5] == [
        "systemctl",
        "set-property",
        "--runtime",
        "amikiln-i-1.scope",
        "DevicePolicy=closed",
    ]
    assert "DeviceAllow=/dev/fuse rw" in argv
    blocks = [word for word in argv if "block" in word or "loop" in word]
    assert blocks == ["DeviceAllow=block-* m"], "a disk of the host's could be opened"


def test_what_is_left_in_a_scope_is_killed_and_the_name_is_free_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran: list[list[str]] = []

    def run(argv: list[str]) -> None:
        ran.append(argv)
        raise CommandFailed("systemctl", 5, "Unit not loaded.")

    monkeypatch.setattr(scope.process, "run", run)
    folder = tmp_path / "amikiln.slice" / "amikiln-i-1.scope"
    folder.mkdir(parents=True)
    (folder / "cgroup.events").write_text("populated 0\n")
    MachineScope(tmp_path, "i-1").end()
    assert (folder / "cgroup.kill").read_text() == "1"
    MachineScope(tmp_path, "i-2").end()  # there is none
    assert ran == [
        ["systemctl", "stop", "--quiet", f"amikiln-{each}.scope"] for each in ("i-1", "i-2")
    ]


@pytest.mark.parametrize(("booted", "kind"), [(True, MachineScope), (False, MachineGroup)])
def test_who_owns_the_hosts_control_groups_decides(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, booted: bool, kind: type
) -> None:
    monkeypatch.setattr(scope, "RUNS", tmp_path if booted else tmp_path / "no")
    assert isinstance(enclose(Hierarchies(tmp_path, {}), "i-1"), kind)


def test_a_group_of_our_own_is_entered_before_the_program_runs(tmp_path: Path) -> None:
    enter = MachineGroup(Hierarchies(tmp_path, {"pids": tmp_path / "pids"}), "i-1")
    (tmp_path / "pids").mkdir()
    argv = enter.create(512)
    assert argv[:2] == ["sh", "-c"]
    for folder in (tmp_path, tmp_path / "pids"):
        assert f"echo $$ >{folder}/amikiln-i-1/cgroup.procs && " in argv[2]
    assert argv[2].endswith('exec "$@"')
    assert argv[4:] == divide(tmp_path / "amikiln-i-1")
