"""How a machine's control group is divided: the groups are data here, in plain folders."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from amikiln_localcloud.machines.container.boot_groups import divide, make_boot_group, remove_tree

LIMITS = ("memory.max", "pids.max", "cpuset.cpus")


def test_what_serves_a_machine_runs_beside_its_boots_which_get_all_controllers(
    tmp_path: Path,
) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    program = ["sh", "-c", "echo $$"]
    done = subprocess.run([*divide(tmp_path), *program], capture_output=True, text=True, check=True)
    assert (tmp_path / "keeper" / "cgroup.procs").read_text() == done.stdout
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory\n"  # the last of them


def test_a_group_that_cannot_be_divided_starts_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [*divide(tmp_path / "gone"), "echo", "started"], capture_output=True, text=True
    )
    assert done.returncode
    assert done.stdout == ""
    assert "gone/keeper" in done.stderr


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine's group, whose keeper this process is in; the kernel makes the files of limits."""
    (tmp_path / "own").write_text("1:name=systemd:/elsewhere\n0::/a.slice/i-1.scope/keeper\n")
    folder = tmp_path / "mounted" / "a.slice" / "i-1.scope"
    (folder / "keeper").mkdir(parents=True)
    return folder


def make(machine: Path, number: int) -> list[str]:
    top = machine.parents[2]
    return make_boot_group(number, 512, [0, 3], mounted=top / "mounted", own=top / "own")


@pytest.mark.parametrize("controllers", [LIMITS, ("pids.max",), ()])
def test_a_boot_has_the_limits_that_there_are_controllers_for(
    machine: Path, controllers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = Path.mkdir

    def mkdir_as_the_kernel_does(folder: Path) -> None:
        mkdir(folder)
        for name in controllers:
            (folder / name).touch()

    monkeypatch.setattr(Path, "mkdir", mkdir_as_the_kernel_does)
    enter = make(machine, 0)
    boot = machine / "boot-0"
    values = {"memory.max": str(512 * 1024**2), "pids.max": "32768", "cpuset.cpus": "0,3"}
    assert {file.name: file.read_text() for file in boot.iterdir()} == {
        name: values[name] for name in controllers
    }
    done = subprocess.run([*enter, "sh", "-c", "echo $$"], capture_output=True, text=True)
    assert (boot / "cgroup.procs").read_text() == done.stdout


def test_a_boot_after_a_reboot_has_a_new_group_and_the_old_ones_go(machine: Path) -> None:
    for number in range(3):
        make(machine, number)
        (machine / f"boot-{number}" / "payload" / "init.scope").mkdir(parents=True)
    assert sorted(entry.name for entry in machine.iterdir()) == ["boot-2", "keeper"]


def test_a_group_that_is_in_use_stays_with_those_above_it(tmp_path: Path) -> None:
    (tmp_path / "group" / "used").mkdir(parents=True)
    (tmp_path / "group" / "used" / "process").touch()
    (tmp_path / "group" / "free").mkdir()
    remove_tree(tmp_path / "group")
    assert [entry.name for entry in (tmp_path / "group").iterdir()] == ["used"]
