"""scripts/lib/setup.sh on a CI agent, which has no local cloud."""

from __future__ import annotations

import pytest

from scripts.fresh_machine import PYTHON, Machine, only_line

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
