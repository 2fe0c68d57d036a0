"""scripts/lib/setup.sh on machines that lack things: fakes of apt, dpkg, df, sudo, Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEBIAN_12 = "VERSION_CODENAME=bookworm" in Path("/etc/os-release").read_text()
# What every Debian and Ubuntu has.
BASICS = (
    "awk cat cp cut date dirname du echo env flock grep head mkdir rm sed sh sha256sum sleep sort"
    " tail touch tr wc"
)

PYTHON = """
case "$*" in
*"%d.%d"*) echo 3.11 ;;
*ensurepip*) exit 0 ;;
"-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
*) echo "python $*" >>"$CALLS" ;;
esac
"""
DPKG = """
[ -e "$CALLS.installed" ] || { echo "no packages found" >&2; exit 1; }
shift 3
for name; do echo "ii $name 1:10.0"; done
"""
APT = """
case "$*" in
*indextargets*"Debian Backports"*) exit 0 ;;
*indextargets*) echo http://mirror.example/debian/ ;;
*install*) echo "apt $*" >>"$CALLS"; touch "$CALLS.installed" ;;
*) echo "apt $*" >>"$CALLS" ;;
esac
"""
SUDO = """
echo "sudo $*" >>"$CALLS"
case "$*" in
"env "*) exec "$@" ;;
"tee "*) cat >>"$CALLS" ;;
esac
"""
PLENTY = "echo header; echo /dev/vda 99999999 1 99999999 1% /"


@dataclass
class Machine:
    """A copy of what set-up reads, and a PATH of fakes."""

    root: Path

    @property
    def programs(self) -> Path:
        return self.root / "programs"

    @property
    def calls(self) -> str:
        """What was asked of apt, sudo and pip, a line each."""
        file = self.root / "calls"
        return file.read_text() if file.exists() else ""

    def program(self, name: str, script: str) -> None:
        (self.programs / name).unlink(missing_ok=True)
        (self.programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.programs / name).chmod(0o755)

    def set_up(self, mode: str = "--no-machines") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.root / "repo/scripts/lib/setup.sh", mode],
            env={
                "PATH": str(self.programs),
                "HOME": str(self.root / "home"),
                "AMIKILN_STATE": str(self.root / "state"),
                "AMIKILN_CACHE": str(self.root / "cache"),
                "CALLS": str(self.root / "calls"),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A fresh machine with sudo where everything can be had."""
    found = Machine(tmp_path)
    (tmp_path / "repo/scripts/lib").mkdir(parents=True)
    for name in ("requirements.lock", "pyproject.toml", "scripts/lib/setup.sh"):
        shutil.copy(ROOT / name, tmp_path / "repo" / name)
    found.programs.mkdir()
    for name in BASICS.split():
        (found.programs / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    (found.programs / "dpkg").symlink_to(shutil.which("dpkg") or "/usr/bin/dpkg")
    for name, script in (
        ("apt-get", APT),
        ("df", PLENTY),
        ("dpkg-query", DPKG),
        ("id", "echo 1000"),
        ("python3", PYTHON),
        ("sudo", SUDO),
        ("uname", "echo x86_64"),
    ):
        found.program(name, script)
    return found


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a failed set-up said, which has to be one line."""
    assert done.returncode == 3
    assert done.stdout == ""
    announced = ("set-up: adding", "set-up: installing", "set-up: making")
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith(announced)]
    return line


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


def test_a_failure_of_pip_is_one_of_set_up_too(machine: Machine) -> None:
    machine.program(
        "python3", PYTHON.replace('*) echo "py', '*install*) echo broken; exit 1 ;;\n*) echo "py')
    )
    done = machine.set_up()
    assert done.returncode == 3
    assert "set-up: pip cannot install requirements.lock" in done.stderr
    assert "setup-python.log" in done.stderr


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


def test_an_old_python_is_named(machine: Machine) -> None:
    machine.program("python3", "echo 3.9")
    assert only_line(machine.set_up()) == (
        "set-up: needs Python 3.11 or newer on PATH (python3 is 3.9)"
    )


def test_a_newer_python_beside_an_old_one_is_found(machine: Machine) -> None:
    machine.program("python3", "echo 3.9")
    machine.program("python3.11", PYTHON)
    assert machine.set_up().returncode == 0


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


# -- On a CI agent, which has no local cloud.

DNF = """
case "$*" in
install*)
    echo "dnf $*" >>"$CALLS"
    touch "$CALLS.installed"
    cp "${0%/*}/newer" "${0%/*}/python3.11"
    ;;
esac
"""
RPM = """
[ -e "$CALLS.installed" ] && known=1
shift 3
for name; do
    if [ -n "${known:-}" ]; then echo "$name 1.0-1"; else echo "package $name is not installed"; fi
done
"""


@pytest.fixture
def amazon(machine: Machine) -> Machine:
    """A machine like Amazon Linux 2023: dnf and rpm, and a Python that is too old."""
    for name in ("apt-get", "dpkg", "dpkg-query"):
        (machine.programs / name).unlink()
    machine.program("dnf", DNF)
    machine.program("newer", PYTHON)
    machine.program("rpm", RPM)
    machine.program("python3", "echo 3.9")
    machine.program("sudo", 'case "$*" in "dnf "*) exec "$@" ;; esac')
    return machine


def test_an_agent_gets_what_amikiln_itself_needs_and_no_more(machine: Machine) -> None:
    done = machine.set_up("--pipeline")
    assert done.returncode == 0, done.stderr
    (line,) = [
        line
        for line in machine.calls.splitlines()
        if line.startswith("apt") and " install " in line
    ]
    assert line.endswith(" ca-certificates git openssh-client")
    again = machine.set_up("--pipeline")
    assert (again.returncode, again.stderr) == (0, "")


def test_a_checkout_may_be_set_up_both_ways(machine: Machine) -> None:
    machine.set_up()
    machine.set_up("--pipeline")
    before = machine.calls
    for mode in ("--no-machines", "--pipeline"):
        again = machine.set_up(mode)
        assert (again.returncode, again.stderr) == (0, "")
    assert machine.calls == before


def test_an_agent_on_amazon_linux_gets_a_newer_python_too(amazon: Machine) -> None:
    done = amazon.set_up("--pipeline")
    assert done.returncode == 0, done.stderr
    assert "installing packages: ca-certificates git openssh-clients python3.11" in done.stderr
    assert "making .venv with Python 3.11" in done.stderr
    assert "dnf install -y -q ca-certificates git openssh-clients python3.11" in amazon.calls
    again = amazon.set_up("--pipeline")
    assert (again.returncode, again.stderr) == (0, "")


def test_the_local_cloud_needs_apt(amazon: Machine) -> None:
    assert only_line(amazon.set_up()) == (
        "set-up: needs Debian 12, Debian 13 or Ubuntu 24.04: apt-get is not here"
    )


def test_an_agent_without_a_package_manager_is_told_so(amazon: Machine) -> None:
    (amazon.programs / "dnf").unlink()
    assert only_line(amazon.set_up("--pipeline")) == ("set-up: needs a system with apt-get or dnf")
