"""A daemon that is up: one real process, shared by tests that change nothing."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from amikiln.errors import LocalCloudError
from amikiln.runtime.progress import PlainReporter
from amikiln_localcloud import cli, control, variables
from amikiln_localcloud.control import CloudStatus
from amikiln_localcloud.home import Home
from localcloud.daemons import client, run_in_thread, use

BASE_NAME = "amikiln-base-debian-13-x86_64"


@pytest.fixture(scope="module")
def running_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, CloudStatus]]:
    """The directory and the status of a real daemon, for tests that change nothing."""
    directory = tmp_path_factory.mktemp("shared")
    with pytest.MonkeyPatch.context() as patch:
        home = use(patch, directory)
        yield directory, control.up(home, PlainReporter())
        control.down(home, PlainReporter())


@pytest.fixture
def shared(
    running_daemon: tuple[Path, CloudStatus], monkeypatch: pytest.MonkeyPatch
) -> tuple[Home, CloudStatus]:
    """The default home is that of the shared daemon."""
    directory, status = running_daemon
    return use(monkeypatch, directory), status


def test_up_is_idempotent(shared: tuple[Home, CloudStatus]) -> None:
    home, first = shared
    assert control.up(home, PlainReporter()) == first == control.status(home)
    assert first.running
    (image,) = client(first, "ec2").describe_images()["Images"]
    assert image["Name"] == BASE_NAME


def test_a_second_daemon_for_the_same_home_refuses(
    shared: tuple[Home, CloudStatus], caplog: pytest.LogCaptureFixture
) -> None:
    home, _ = shared
    assert run_in_thread(home) == LocalCloudError.exit_code
    assert "another daemon" in caplog.text
    assert control.status(home).running


def test_a_daemon_of_another_version_is_an_error(
    shared: tuple[Home, CloudStatus], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "__version__", "99.0")
    with pytest.raises(LocalCloudError, match=r"is amikiln .*'s, this is 99\.0"):
        control.up(shared[0], PlainReporter())


def test_up_with_another_kind_than_the_one_that_is_up_is_refused(
    shared: tuple[Home, CloudStatus], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, status = shared
    with pytest.raises(LocalCloudError, match="has emulated machines, not container") as caught:
        control.up(home, PlainReporter(), "container")
    assert caught.value.hint == "amikiln cloud down, then amikiln cloud up"
    assert control.up(home, PlainReporter(), "emulated") == status
    monkeypatch.setenv("AMIKILN_MACHINES", "kvm")
    refused = CliRunner().invoke(cli.cloud, ["up"])
    assert isinstance(refused.exception, LocalCloudError)
    assert "emulated machines, not kvm" in str(refused.exception)
    # What is asked for by the option counts more.
    assert CliRunner().invoke(cli.cloud, ["up", "--machines", "emulated"]).exit_code == 0


def test_status_says_which_kind_and_why_in_a_line(shared: tuple[Home, CloudStatus]) -> None:
    lines = CliRunner().invoke(cli.cloud, ["status"]).stdout.splitlines()
    assert lines[1:] == ["machines: emulated (they are fakes)"]
    found = json.loads(CliRunner().invoke(cli.cloud, ["status", "--json"]).stdout)
    assert (found["machines"], found["machines_reason"]) == ("emulated", "they are fakes")
    assert found["machines_notes"] == []


def test_env_is_for_a_shell_and_leaves_no_real_credentials(
    shared: tuple[Home, CloudStatus],
) -> None:
    home, status = shared
    printed = CliRunner().invoke(cli.cloud, ["env"]).stdout
    inherited = {
        "PATH": os.environ["PATH"],
        "AWS_ACCESS_KEY_ID": "AKIAREAL",
        "AWS_SESSION_TOKEN": "real",
        "AWS_PROFILE": "production",
        "AWS_ENDPOINT_URL_EC2": "https://elsewhere",
    }
    seen = subprocess.run(
        ["sh", "-ec", f"eval {shlex.quote(printed)}; env -0"],
        env=inherited,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = dict(line.split("=", 1) for line in seen.split("\0") if line)
    aws = {name: value for name, value in found.items() if name.startswith("AWS_")}
    assert aws == {
        name: value
        for name, value in variables.environment(home).items()
        if name.startswith("AWS_")
    }
    assert aws["AWS_ACCESS_KEY_ID"] == variables.ACCESS_KEY
    assert aws["AWS_ENDPOINT_URL"] == status.endpoint
    variables.enter(home, inherited)
    assert {name for name in inherited if name.startswith("AWS_")} == set(aws)


def test_commands_print_data_for_a_cloud_that_is_up(shared: tuple[Home, CloudStatus]) -> None:
    runner = CliRunner()
    up = runner.invoke(cli.cloud, ["up", "--json"])
    shown = runner.invoke(cli.cloud, ["status", "--json"])
    assert (up.exit_code, shown.exit_code) == (0, 0)
    assert json.loads(up.stdout) == json.loads(shown.stdout)
    assert json.loads(up.stdout)["endpoint"] == shared[1].endpoint


def test_an_idle_daemon_is_small(shared: tuple[Home, CloudStatus]) -> None:
    """Under 150 MB, also after it was used: parsed service models stay in memory."""
    _, status = shared
    client(status, "ec2").describe_instances()
    client(status, "ec2").describe_instance_types(InstanceTypes=["t3.small"])
    client(status, "ssm").describe_parameters()
    client(status, "autoscaling").describe_auto_scaling_groups()
    client(status, "sts").get_caller_identity()
    assert resident_mib(status) < 150


def resident_mib(status: CloudStatus) -> float:
    text = Path(f"/proc/{status.pid}/status").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("VmRSS:")]
    mib = int(line.split()[1]) / 1024
    print(f"the daemon uses {mib:.0f} MiB")
    return mib
