"""What scripts/lib/setup.sh installs on machines that lack things."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts.fresh_machine import APT, DPKG, PYTHON, Machine

DEBIAN_12 = "VERSION_CODENAME=bookworm" in Path("/etc/os-release").read_text()


def test_a_fresh_machine_gets_everything_and_is_told_so(machine: Machine) -> None:
    done = machine.set_up()
    assert done.returncode == 0, done.stderr
    assert "installing Debian packages: ca-certificates debian-archive-keyring" in done.stderr
    assert "installing the Python packages" in done.stderr
    for package in ("mmdebstrap", "qemu-system-x86", "docker-registry", "skopeo", "shellcheck"):
        assert package in machine.calls
    assert "--require-hashes --requirement requirements.lock" in machine.calls
    assert "--no-deps --no-build-isolation --editable ." in machine.calls


def test_the_second_time_nothing_is_asked(machine: Machine) -> None:
    machine.set_up()
    before = machine.calls
    again = machine.set_up()
    assert (again.returncode, again.stderr) == (0, "")
    assert machine.calls == before


def test_pip_works_while_apt_does(machine: Machine) -> None:
    # Each waits until the other has begun.
    meet = 'touch "$CALLS.{mine}"; until [ -e "$CALLS.{other}" ]; do sleep 0.1; done'
    apt = meet.format(mine="apt", other="pip")
    machine.program("apt-get", APT.replace("*install*)", f"*install*) {apt};"))
    pip = meet.format(mine="pip", other="apt")
    machine.program("python3", PYTHON.replace('*) echo "py', f'*) {pip}; echo "py'))
    done = machine.set_up()
    assert done.returncode == 0, done.stderr
    assert "usually 30 to 60 s" in done.stderr
    assert "usually 20 to 40 s" in done.stderr


def test_a_new_lock_file_asks_pip_and_not_apt(machine: Machine) -> None:
    machine.set_up()
    before = machine.calls
    with (machine.root / "repo/requirements.lock").open("a") as lock:
        lock.write("# newer\n")
    assert machine.set_up().returncode == 0
    new = machine.calls.removeprefix(before)
    assert "--requirement requirements.lock" in new
    assert "apt" not in new


def test_a_package_that_went_away_is_installed_again(machine: Machine) -> None:
    machine.set_up()
    before = machine.calls
    machine.program("dpkg-query", DPKG.replace('echo "ii', '[ "$name" = skopeo ] || echo "ii'))
    machine.set_up()
    installs = [
        line for line in machine.calls.removeprefix(before).splitlines() if " install " in line
    ]
    assert [line.split()[-1] for line in installs if line.startswith("apt")] == ["skopeo"]


def test_packer_is_installed_for_tests_alone_and_where_there_is_one(machine: Machine) -> None:
    machine.set_up()
    assert "packer" not in machine.calls
    machine.program("apt-cache", '[ "$*" = "show packer" ] && echo "Package: packer"')
    done = machine.set_up("--with-packer")
    assert done.returncode == 0, done.stderr
    assert "set-up: installing Debian packages: packer" in done.stderr
    assert "install --no-install-recommends packer" in machine.calls


def test_no_packer_is_said_and_no_fault(machine: Machine) -> None:
    machine.program("apt-cache", "echo no >&2; exit 100")
    done = machine.set_up("--with-packer")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "set-up: apt offers no Packer: its tests are not run"


@pytest.mark.parametrize(("there", "count"), [(True, 0), (False, 1)])
def test_root_gets_sudo_for_the_tests_of_a_user_with_it(
    machine: Machine, there: bool, count: int
) -> None:
    machine.program("id", "echo 0")
    machine.program("tee", "cat >/dev/null")
    if not there:
        (machine.programs / "sudo").unlink()
    done = machine.set_up()
    assert done.returncode == 0, done.stderr
    install = "install --no-install-recommends sudo\n"
    assert install not in machine.calls
    done = machine.set_up("--with-packer")
    assert done.returncode == 0, done.stderr
    assert machine.calls.count(install) == count


def test_sudo_is_for_the_system_alone(machine: Machine) -> None:
    machine.set_up()
    asked = [line.split()[1] for line in machine.calls.splitlines() if line.startswith("sudo")]
    assert set(asked) <= {"-n", "env", "tee", "ln", "mkdir"}
    assert "sudo env DEBIAN_FRONTEND=noninteractive apt-get" in machine.calls


def test_root_needs_no_sudo(machine: Machine) -> None:
    # docker-registry is there, so nothing is written to this machine's own /etc.
    machine.program("id", "echo 0")
    machine.program("dpkg-query", 'shift 3; for name; do echo "ii $name 1:10"; done | grep -v mmde')
    machine.program("sudo", 'echo "sudo $*" >>"$CALLS"; exit 1')
    assert machine.set_up().returncode == 0
    assert "sudo" not in machine.calls
    assert "mmdebstrap" in machine.calls


@pytest.mark.skipif(not DEBIAN_12, reason="bookworm-backports is for Debian 12")
def test_backports_come_from_the_machines_own_mirror(machine: Machine) -> None:
    machine.set_up()
    assert "http://mirror.example/debian/ bookworm-backports main\n" in machine.calls
    (newer,) = [
        line
        for line in machine.calls.splitlines()
        if line.startswith("apt") and "-t bookworm-backports" in line
    ]
    assert newer.endswith("qemu-system-x86 qemu-utils")


@pytest.mark.skipif(not DEBIAN_12, reason="bookworm-backports is for Debian 12")
def test_an_old_qemu_is_replaced(machine: Machine) -> None:
    machine.program("dpkg-query", 'shift 3; for name; do echo "ii $name 1:7.2"; done')
    machine.set_up()
    installs = [
        line
        for line in machine.calls.splitlines()
        if line.startswith("apt") and " install " in line
    ]
    assert len(installs) == 1
    assert installs[0].endswith("-t bookworm-backports qemu-system-x86 qemu-utils")


def test_the_registrys_own_service_is_masked_before_it_is_installed(machine: Machine) -> None:
    if os.path.lexists("/etc/systemd/system/docker-registry.service"):
        pytest.skip("this machine has a unit of that name already")
    machine.set_up()
    lines = machine.calls.splitlines()
    masked = lines.index("sudo ln -s /dev/null /etc/systemd/system/docker-registry.service")
    assert any("install" in line for line in lines[masked:])
    assert not any(" install " in line for line in lines[:masked])


def test_a_missing_ensurepip_is_a_debian_package(machine: Machine) -> None:
    machine.program("python3", PYTHON.replace("*ensurepip*) exit 0", "*ensurepip*) exit 1"))
    machine.set_up()
    assert "python3.11-venv" in machine.calls


def test_a_newer_python_beside_an_old_one_is_found(machine: Machine) -> None:
    machine.program("python3", "echo 3.9")
    machine.program("python3.11", PYTHON)
    assert machine.set_up().returncode == 0


def test_the_lists_lock_is_waited_for(machine: Machine) -> None:
    machine.program(
        "apt-get",
        'case "$*" in *update*) [ -e "$CALLS.freed" ] || {\n'
        'touch "$CALLS.freed"; echo "E: Could not get lock /var/lib/apt/lists/lock."; exit 100; }\n'
        f";; esac\n{APT}",
    )
    machine.program("sleep", 'echo "slept" >>"$CALLS"')
    assert machine.set_up().returncode == 0
    assert machine.calls.count("slept") == 1
