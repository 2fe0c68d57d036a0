"""What scripts/lib/setup.sh says where it cannot go on."""

from __future__ import annotations

import pytest

from scripts.fresh_machine import PLENTY, PYTHON, Machine, only_line


def test_a_failure_of_pip_is_one_of_set_up_too(machine: Machine) -> None:
    machine.program(
        "python3", PYTHON.replace('*) echo "py', '*install*) echo broken; exit 1 ;;\n*) echo "py')
    )
    done = machine.set_up()
    assert done.returncode == 3
    assert "set-up: pip cannot install requirements.lock" in done.stderr
    assert "setup-python.log" in done.stderr


def test_an_old_python_is_named(machine: Machine) -> None:
    machine.program("python3", "echo 3.9")
    assert only_line(machine.set_up()) == (
        "set-up: needs Python 3.11 or newer on PATH (python3 is 3.9)"
    )


def test_full_disk_says_what_is_needed_and_what_is_there(machine: Machine) -> None:
    machine.program("df", "echo header; echo /dev/vda 1 1 2048000 1% /")
    assert only_line(machine.set_up()) == (
        "set-up: not enough disk: / needs 11700 MB free, and has 2000 MB"
    )
    assert machine.calls == ""


def test_what_is_there_already_needs_no_disk(machine: Machine) -> None:
    (machine.root / "cache").mkdir()
    with (machine.root / "cache/base").open("wb") as made:
        # du counts the directory too, and rounds up: 64 MB.
        made.write(b"\0" * (63 << 20))
    machine.program("df", "echo header; echo /dev/vda 1 1 2048000 1% /")
    assert "needs 11636 MB" in only_line(machine.set_up())


def test_file_systems_are_counted_apart(machine: Machine) -> None:
    machine.program(
        "df",
        f'case "$*" in *usr*) echo header; echo d 1 1 1024 1% /usr ;; *) {PLENTY} ;; esac',
    )
    assert only_line(machine.set_up()) == (
        "set-up: not enough disk: /usr needs 900 MB free, and has 1 MB"
    )


def test_no_sudo_is_no_permission(machine: Machine) -> None:
    (machine.programs / "sudo").unlink()
    assert only_line(machine.set_up()) == (
        "set-up: no permission: needs root, or sudo, to install them"
    )


def test_a_password_that_nobody_can_type_is_no_permission(machine: Machine) -> None:
    machine.program("sudo", "echo 'sudo: a password is required' >&2; exit 1")
    assert only_line(machine.set_up()).startswith("set-up: no permission: sudo wants a password")


def test_apt_without_network_is_one_line(machine: Machine) -> None:
    machine.program(
        "apt-get",
        'case "$*" in *indextargets*) echo http://mirror.example/debian/ ;;\n'
        "*) echo \"W: Failed to fetch: Could not resolve 'x.example'\" >&2; exit 100 ;; esac",
    )
    line = only_line(machine.set_up())
    assert line.startswith("set-up: no network: apt cannot reach its mirrors")


def test_pip_without_network_is_one_line(machine: Machine) -> None:
    machine.program(
        "python3",
        PYTHON.replace('*) echo "py', '*install*) echo NewConnectionError; exit 1 ;;\n*) echo "py'),
    )
    line = only_line(machine.set_up())
    assert line.startswith("set-up: no network: pip cannot reach the package index")
    assert not (machine.root / "repo/.venv/amikiln-setup.stamp").exists()


def test_another_failure_of_apt_shows_its_own_words(machine: Machine) -> None:
    machine.program(
        "apt-get",
        'case "$*" in *indextargets*) echo http://mirror.example/ ;;\n'
        '*" install "*) echo "E: Unable to locate package mmdebstrap"; exit 100 ;; esac',
    )
    done = machine.set_up()
    assert done.returncode == 3
    assert "E: Unable to locate package mmdebstrap\nset-up: apt cannot install" in done.stderr


@pytest.mark.parametrize(
    ("name", "script", "said"),
    [("uname", "echo aarch64", "needs an x86_64 machine"), ("apt-get", None, "needs Debian 12")],
)
def test_other_machines_are_refused(
    machine: Machine, name: str, script: str | None, said: str
) -> None:
    (machine.programs / name).unlink()
    if script is not None:
        machine.program(name, script)
    assert said in only_line(machine.set_up())


def test_a_state_directory_that_cannot_be_made_is_no_permission(machine: Machine) -> None:
    (machine.root / "state").write_text("a file")
    assert only_line(machine.set_up()).startswith("set-up: no permission: cannot make")
