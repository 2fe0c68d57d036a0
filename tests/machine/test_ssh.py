"""ssh to a guest: what the real client is told, and what its answers mean."""

from __future__ import annotations

import os
import shlex
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from amikiln.machine import keys, ssh
from amikiln.machine.ssh import SshGuest
from amikiln.machine.user_data import render_user_data
from amikiln.runtime import process
from amikiln.runtime.guest import GuestCommandFailed, GuestUnreachable, Login

STAND_IN = """#!/bin/sh
# Stands in for ssh: notes its arguments, then runs the last one as the guest's shell would.
printf '%s\\n' "$@" >>"$NOTES"
for last; do :; done
case " $* " in
*" -N "*) echo "$KNOCK" >&2; exit "${KNOCK_CODE:-0}" ;;
*" -O "*) exit 0 ;;
esac
[ -z "${LOST:-}" ] || { echo 'client_loop: send disconnect: Broken pipe' >&2; exit 255; }
sudo() { shift; "$@"; }
eval "$last"
"""


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    stand_in = tmp_path / "bin" / "ssh"
    stand_in.parent.mkdir()
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    return tmp_path / "notes"


@pytest.fixture
def guest(notes: Path, tmp_path: Path) -> SshGuest:
    directory = tmp_path / "keys"
    directory.mkdir(mode=0o700)
    return SshGuest(Login("127.0.1.2", "ec2-user", keys.make_keys(directory).directory))


def test_only_the_given_host_key_is_known(guest: SshGuest, tmp_path: Path) -> None:
    known = (tmp_path / "keys" / "known_hosts").read_text()
    host_key = (tmp_path / "keys" / "host_ed25519.pub").read_text().split()
    assert known.split() == ["127.0.1.2", *host_key[:2]]


def test_host_keys_are_checked_and_the_users_own_ssh_plays_no_part(
    guest: SshGuest, notes: Path
) -> None:
    guest.run("true", timeout_seconds=10)
    told = notes.read_text().splitlines()
    assert "StrictHostKeyChecking=yes" in told
    assert told[:2] == ["-F", "none"]
    assert "IdentityAgent=none" in told
    assert not any(word.partition("=")[2] == "no" for word in told)


@pytest.mark.parametrize("text", ["it's", 'a "b"', "$(id)", "a\nb", "a\\nb", "*"])
def test_a_command_arrives_unchanged(guest: SshGuest, text: str) -> None:
    said = guest.run(f"printf %s {shlex.quote(text)}", timeout_seconds=10)
    assert said == text


def test_input_arrives(guest: SshGuest) -> None:
    assert guest.run("cat", input=b"given", timeout_seconds=10) == "given"


def test_lines_are_handed_over(guest: SshGuest) -> None:
    lines: list[str] = []
    guest.stream("echo one; echo two", lines.append, timeout_seconds=10)
    assert lines == ["one", "two"]


def test_a_failing_command_is_told_with_its_tail(guest: SshGuest) -> None:
    with pytest.raises(GuestCommandFailed, match="exited with 7") as caught:
        guest.run("echo why >&2; exit 7", timeout_seconds=10)
    assert caught.value.tail == "why"


def test_who_has_left_runs_nothing_more_until_the_next_login(guest: SshGuest) -> None:
    guest.leave()
    with pytest.raises(GuestUnreachable, match="no connection"):
        guest.run("true", timeout_seconds=5)
    with pytest.raises(GuestUnreachable, match="no connection"):
        guest.stream("true", print, timeout_seconds=5)


def test_a_lost_connection_is_not_the_commands_failure(
    guest: SshGuest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOST", "1")
    with pytest.raises(GuestUnreachable, match=r"127\.0\.1\.2.*Broken pipe"):
        guest.run("true", timeout_seconds=10)


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What listens where the guest's port is said to be; connections wait in its queue."""
    with socket.create_server(("127.0.1.2", 0)) as listener:
        monkeypatch.setattr(ssh, "PORT", listener.getsockname()[1])
        yield listener


def greet(listener: socket.socket, greeting: bytes) -> None:
    """Answer the next connection, from a thread of its own."""

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(greeting)

    threading.Thread(target=answer, daemon=True).start()


def test_a_refused_login_says_why(
    guest: SshGuest, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    greet(listener, b"SSH-2.0-x\r\n")
    assert guest.knock() is None
    greet(listener, b"SSH-2.0-x\r\n")
    monkeypatch.setenv("KNOCK", "Host key verification failed.")
    monkeypatch.setenv("KNOCK_CODE", "255")
    assert guest.knock() == "Host key verification failed."


def test_a_port_that_takes_connections_and_says_nothing_is_left_soon(
    guest: SshGuest, listener: socket.socket, notes: Path
) -> None:
    began = time.monotonic()
    assert guest.knock() == f"nothing greets on port {ssh.PORT} within 0.4 s"
    assert guest.knock() == f"nothing greets on port {ssh.PORT} within 0.5 s"
    assert time.monotonic() - began < ssh.CONNECT_SECONDS / 4
    assert not notes.exists(), "ssh was started, and would have waited for the greeting"


def test_a_port_that_closes_or_is_closed_is_no_login(
    guest: SshGuest, listener: socket.socket
) -> None:
    greet(listener, b"")
    assert guest.knock() == f"port {ssh.PORT} closes at once"
    listener.close()
    assert guest.knock() == f"port {ssh.PORT}: Connection refused"


def test_keys_are_ours_alone_to_read(guest: SshGuest, tmp_path: Path) -> None:
    for name in ("id_ed25519", "host_ed25519"):
        mode = stat.S_IMODE((tmp_path / "keys" / name).stat().st_mode)
        assert mode == 0o600


SYSTEMD = """#!/bin/sh
# Stands in for systemd's programs, on a system that has one unit.
echo "${0##*/} $*" >>"$NOTES"
for unit; do :; done
case "$unit" in *.service) [ "$unit" = "$UNIT" ] || exit 5 ;; esac
"""


@pytest.mark.parametrize("unit", ["ssh.service", "sshd.service"])
def test_user_data_installs_the_host_key_and_sets_the_timer(
    unit: str, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in ("systemctl", "systemd-run"):
        (tmp_path / "bin" / program).write_text(SYSTEMD)
        (tmp_path / "bin" / program).chmod(0o755)
    monkeypatch.setenv("UNIT", unit)
    (tmp_path / "keys").mkdir()
    made = keys.make_keys(tmp_path / "keys")
    # Run with /etc/ssh elsewhere: the key that lands there is the one we know.
    elsewhere = tmp_path / "etc-ssh"
    elsewhere.mkdir()
    (elsewhere / "ssh_host_rsa_key").write_text("old")
    script = render_user_data(made, 90).replace("/etc/ssh/", f"{elsewhere}/")
    # A script that fails is a failed unit of cloud-init's, and the system "degraded".
    process.run(["sh"], input=script.encode())
    called = notes.read_text().splitlines()
    timer = "systemd-run --quiet --unit=amikiln-end --on-active=90m systemctl poweroff"
    assert (called[0], called[-1]) == (timer, f"systemctl try-restart {unit}")
    assert sorted(path.name for path in elsewhere.iterdir()) == [
        "ssh_host_ed25519_key",
        "ssh_host_ed25519_key.pub",
    ]
    installed = (elsewhere / "ssh_host_ed25519_key.pub").read_text().split()[:2]
    assert " ".join(installed) == made.public(made.host)


def test_session_manager_carries_the_connection_and_nothing_else_knocks(
    notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object, **options: object) -> None:
        raise AssertionError("a machine without an open port was knocked at")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setenv("KNOCK", "")
    directory = tmp_path / "keys"
    directory.mkdir(mode=0o700)
    proxy = "aws ssm start-session --target %h"
    login = Login("i-0123456789abcdef0", "ec2-user", keys.make_keys(directory).directory, proxy)
    assert SshGuest(login).knock() is None
    told = notes.read_text().splitlines()
    assert f"ProxyCommand={proxy}" in told
    assert "StrictHostKeyChecking=yes" in told
    assert "ec2-user@i-0123456789abcdef0" in told
    known = (directory / "known_hosts").read_text()
    assert known.startswith("i-0123456789abcdef0 ssh-ed25519 ")
