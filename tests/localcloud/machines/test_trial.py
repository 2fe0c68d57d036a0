"""What a host needs for container machines, and how the trial's answer is kept."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from amikiln_localcloud.machines.container import sudo, trial
from amikiln_localcloud.machines.contract import MachineFailure, SnapshotFiles
from fakes import Recorder

ALL_CAPABILITIES = "CapInh:\t0000000000000000\nCapEff:\t000001ffffffffff\n"
DOCKERS_CAPABILITIES = "CapEff:\t00000000a80425fb\n"
HELP = " ".join(trial.build_nspawn_command(Path("/"), [Path("/value")]))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host that has everything; a test takes something away."""
    for name in ("fuse", "loop-control"):
        (tmp_path / name).touch()
    (tmp_path / "status").write_text(ALL_CAPABILITIES)
    monkeypatch.setattr(trial.os, "geteuid", lambda: 0)
    monkeypatch.setattr(trial, "STATUS", tmp_path / "status")
    monkeypatch.setattr(trial, "DEVICES", (str(tmp_path / "fuse"), str(tmp_path / "loop-control")))
    monkeypatch.setattr(trial.Hierarchies, "of_this_host", lambda: object())
    monkeypatch.setattr(trial.kernel_settings, "can_protect", lambda: True)
    monkeypatch.setattr(trial.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(
        trial, "_ask", lambda *argv: HELP if argv[1] == "--help" else f"{argv[0]} 1.0"
    )
    return tmp_path


def test_a_host_that_has_everything_lacks_nothing(host: Path) -> None:
    assert trial.find_missing() is None


@pytest.mark.parametrize("obstacle", [None, "no cgroup 2 is mounted"])
def test_a_user_with_sudo_has_what_root_has(
    host: Path, monkeypatch: pytest.MonkeyPatch, obstacle: str | None
) -> None:
    monkeypatch.setattr(sudo.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sudo, "ask", lambda task: obstacle if task == "missing" else task)
    assert trial.find_missing() == obstacle


def test_a_user_without_sudo_is_told_what_sudo_says(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(task: str) -> None:
        raise MachineFailure("sudo: a password is required")

    monkeypatch.setattr(sudo.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sudo, "ask", refuse)
    assert trial.find_missing() == (
        "containers need root, or sudo without a password (sudo: a password is required)"
    )


def test_root_without_capabilities_is_confined(host: Path) -> None:
    (host / "status").write_text(DOCKERS_CAPABILITIES)
    missing = trial.find_missing()
    assert missing == "no CAP_SYS_ADMIN: root is confined here, as in a container"


@pytest.mark.parametrize("name", ["fuse", "loop-control"])
def test_a_device_that_is_not_there_is_named(host: Path, name: str) -> None:
    (host / name).unlink()
    assert trial.find_missing() == f"no access to {host / name}"


def test_no_cgroup_2_is_said(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial.Hierarchies, "of_this_host", lambda: None)
    assert trial.find_missing() == "no cgroup 2 is mounted"


def test_a_kernel_that_cannot_protect_its_settings_is_named(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial.kernel_settings, "can_protect", lambda: False)
    missing = trial.find_missing()
    assert missing is not None
    assert "CONFIG_CGROUP_BPF" in missing


def test_missing_programs_are_named_by_their_packages(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        trial.shutil, "which", lambda name: None if name in {"nft", "nbdfuse"} else name
    )
    assert (
        trial.find_missing()
        == "not installed: nbdfuse, nft (sudo apt-get install libnbd-bin nftables)"
    )


@pytest.mark.parametrize("option", ["--load-credential", "--network-namespace-path"])
def test_an_nspawn_that_does_not_know_an_option_is_too_old(option: str) -> None:
    assert trial.find_unknown_option(HELP) is None
    assert option in HELP
    older = HELP.replace(option, "")
    assert trial.find_unknown_option(older) == (
        f"systemd-nspawn is too old: it does not know {option}"
    )


def test_the_trial_runs_once_for_a_host_and_its_programs(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = ["Docker does not start", None]
    monkeypatch.setattr(trial, "try_machine", lambda cache, base: answers.pop(0))

    def find() -> str | None:
        return trial.find_obstacle(host / "cache", SnapshotFiles(host), Recorder())

    assert find() == "Docker does not start"
    assert find() == "Docker does not start"
    newer = {"--help": HELP, "--version": "2.0"}
    monkeypatch.setattr(trial, "_ask", lambda *argv: newer[argv[1]])
    assert find() is None, "another version was not tried"
    assert answers == []


def test_that_the_trial_took_too_long_is_not_kept(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_late(cache: Path, base: SnapshotFiles) -> None:
        raise TimeoutError("not within 180 s")

    def find() -> str | None:
        return trial.find_obstacle(host / "cache", SnapshotFiles(host), Recorder())

    monkeypatch.setattr(trial, "try_machine", be_late)
    assert find() == "not within 180 s"
    monkeypatch.setattr(trial, "try_machine", lambda cache, base: None)
    assert find() is None


@pytest.mark.parametrize(
    ("lengths", "in_time"),
    [([10, 20, 30], True), ([10, 10], False), ([0], False), (range(1, 99), False)],
)
def test_the_trial_goes_on_while_the_console_does(
    monkeypatch: pytest.MonkeyPatch, lengths: Iterable[int], in_time: bool
) -> None:
    monkeypatch.setattr(trial, "SILENCE_SECONDS", 0.001)
    monkeypatch.setattr(trial, "LONGEST_SECONDS", 0.01)
    ended, left = threading.Event(), iter(lengths)

    def console() -> bytes:
        length = next(left)
        if length == 30 and in_time:
            ended.set()
        return bytes(length)

    assert trial.await_end(ended, console) is in_time


@pytest.mark.parametrize(
    ("console", "words"),
    [
        ("boot\n", "its console says nothing"),
        (
            f"boot\nrun-user-data[71]: {trial.BEGINS}\nrun-user-data[71]: no overlay\n"
            f"run-user-data[71]: \nrun-user-data[71]: {trial.ENDS}\npower off\n",
            "no overlay",
        ),
    ],
)
def test_the_trials_last_words_are_found_on_the_console(console: str, words: str) -> None:
    assert trial.find_last_words(console) == words


def test_the_container_resolves_a_name_where_the_host_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*args: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(trial.socket, "getaddrinfo", lambda *args: [])
    assert "getent" in trial._choose_command()
    monkeypatch.setattr(trial.socket, "getaddrinfo", refuse)
    assert trial._choose_command() == "echo hello"


def test_the_user_data_is_a_script_that_shows_every_exit() -> None:
    script = trial._describe_instance().user_data.decode()
    assert script.startswith("#!/bin/sh\nset -eu\n")
    assert re.search(rf"^trap 'echo \"{trial.ENDS}\"; systemctl poweroff' EXIT$", script, re.M)
    assert "{" + "command}" not in script
