"""The daemon as a process of its own: started, found again, ended, killed."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from amikiln.errors import LocalCloudError
from amikiln.runtime.progress import PlainReporter
from amikiln_localcloud import cli, control, daemon_record, variables
from amikiln_localcloud.home import Home
from localcloud import fake_daemon
from localcloud.fixture import LocalSession

BASE_NAME = "amikiln-base-debian-13-x86_64"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A home whose daemon has fake machines."""
    tests = str(Path(__file__).parent.parent)
    monkeypatch.setattr(control, "DAEMON", (sys.executable, fake_daemon.__file__))
    monkeypatch.setattr(control, "prepare", lambda home, report: None)
    monkeypatch.setattr(control, "fill_registry", lambda home, address, report: None)
    inherited = [path for path in sys.path if path]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([tests, *inherited]))
    monkeypatch.setenv("AMIKILN_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("AMIKILN_CACHE", str(tmp_path / "cache"))
    home = Home.default()
    yield home
    control.down(home, PlainReporter())


def ec2(status: control.CloudStatus) -> Any:
    assert status.endpoint is not None
    return LocalSession(status.endpoint, "us-east-1").client("ec2")


def wait_for_end(pid: int) -> None:
    process = daemon_record.open_process(pid)
    if process is not None:
        import select

        assert select.select([process], [], [], 30)[0], "the daemon did not end"
        os.close(process)


def test_up_is_idempotent_and_down_ends_it(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    report = PlainReporter()
    assert control.status(home) == control.CloudStatus(running=False)
    first = control.up(home, report)
    assert control.up(home, report) == first == control.status(home)
    (image,) = ec2(first).describe_images()["Images"]
    assert image["Name"] == BASE_NAME
    assert first.pid is not None
    control.down(home, report)
    wait_for_end(first.pid)
    assert control.status(home) == control.CloudStatus(running=False)
    assert not home.daemon_record.exists()
    control.down(home, report)
    assert "the local cloud is not up" in capsys.readouterr().err
    assert "down" in home.daemon_log.read_text().splitlines()[-1]


def test_two_ups_at_once_start_one_daemon(home: Home) -> None:
    found: list[control.CloudStatus] = []
    threads = [
        threading.Thread(target=lambda: found.append(control.up(home, PlainReporter())))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert found[0] == found[1]


def test_a_second_daemon_for_the_same_home_refuses(home: Home) -> None:
    control.up(home, PlainReporter())
    second = subprocess.run(
        [*control.DAEMON, "--state", home.state, "--cache", home.cache],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == LocalCloudError.exit_code
    assert "another daemon" in second.stdout
    assert control.status(home).running


def test_what_the_daemon_said_is_reported_when_it_dies_at_start(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_FAILURE", "there is no disk space")
    with pytest.raises(LocalCloudError, match="there is no disk space"):
        control.up(home, PlainReporter())
    assert not control.status(home).running


def test_a_stale_record_is_noticed(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.state.mkdir(parents=True)
    # This very process's id, but of a process that started at another time.
    stale = daemon_record.DaemonRecord(
        pid=os.getpid(), started_ticks=1, port=9, registry="127.0.0.1:9", version="0"
    )
    stale.write(home.daemon_record)
    assert not control.status(home).running
    assert control.up(home, PlainReporter()).running
    assert "has ended without saying so" in capsys.readouterr().err


def test_a_daemon_of_another_version_is_told_of(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.up(home, PlainReporter())
    monkeypatch.setattr(control, "__version__", "99.0")
    with pytest.raises(LocalCloudError, match=r"is amikiln .*'s, this is 99\.0"):
        control.up(home, PlainReporter())


def test_what_was_finished_survives_a_kill_and_what_was_not_is_removed(home: Home) -> None:
    status = control.up(home, PlainReporter())
    assert status.pid is not None
    api = ec2(status)
    base = api.describe_images()["Images"][0]["ImageId"]
    instance_id = api.run_instances(ImageId=base, MinCount=1, MaxCount=1, InstanceType="t3.small")[
        "Instances"
    ][0]["InstanceId"]
    api.get_waiter("instance_running").wait(
        InstanceIds=[instance_id], WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    image_id = api.create_image(InstanceId=instance_id, Name="kept")["ImageId"]
    api.get_waiter("image_available").wait(
        ImageIds=[image_id], WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    # As when the daemon is killed while it writes.
    half = home.snapshots / ".snap-0123.half"
    half.mkdir()
    (half / "disk.raw").write_text("half of a disk")
    os.kill(status.pid, signal.SIGKILL)
    wait_for_end(status.pid)

    again = control.up(home, PlainReporter())
    images = ec2(again).describe_images(Owners=["self"])["Images"]
    assert [(image["ImageId"], image["Name"]) for image in images] == [(image_id, "kept")]
    assert ec2(again).describe_instances()["Reservations"] == []
    assert not half.exists()
    assert len(list(home.snapshots.iterdir())) == 1


def test_reset_removes_what_is_kept(home: Home) -> None:
    status = control.up(home, PlainReporter())
    assert status.endpoint is not None
    ssm = LocalSession(status.endpoint, "us-east-1").client("ssm")
    ssm.put_parameter(Name="/a/b", Value="1", Type="String")
    control.reset(home, PlainReporter())
    assert not control.status(home).running
    assert not home.ledger.exists()
    again = control.up(home, PlainReporter())
    assert again.endpoint is not None
    ssm = LocalSession(again.endpoint, "us-east-1").client("ssm")
    assert ssm.describe_parameters()["Parameters"] == []
    assert home.cache.exists()


def test_env_is_for_a_shell_and_leaves_no_real_credentials(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = CliRunner()
    assert runner.invoke(cli.cloud, ["up", "--json"]).exit_code == 0
    printed = runner.invoke(cli.cloud, ["env"]).stdout
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
    assert aws["AWS_ENDPOINT_URL"] == control.status(home).endpoint
    variables.enter(home, inherited)
    assert {name for name in inherited if name.startswith("AWS_")} == set(aws)


def test_the_commands_print_data_and_exit_codes(home: Home) -> None:
    runner = CliRunner()
    down = runner.invoke(cli.cloud, ["status", "--json"])
    assert (down.exit_code, json.loads(down.stdout)["running"]) == (1, False)
    up = json.loads(runner.invoke(cli.cloud, ["up", "--json"]).stdout)
    shown = runner.invoke(cli.cloud, ["status", "--json"])
    assert (shown.exit_code, json.loads(shown.stdout)) == (0, up)
    assert runner.invoke(cli.cloud, ["down"]).exit_code == 0
    assert isinstance(runner.invoke(cli.cloud, ["env"]).exception, LocalCloudError)


def test_an_idle_daemon_is_small(home: Home) -> None:
    """Under 150 MB, also after it was used: parsed service models stay in memory."""
    status = control.up(home, PlainReporter())
    assert resident_mib(status) < 150
    assert status.endpoint is not None
    session = LocalSession(status.endpoint, "us-east-1")
    session.client("ec2").describe_instances()
    session.client("ec2").describe_instance_types(InstanceTypes=["t3.small"])
    session.client("ssm").describe_parameters()
    session.client("autoscaling").describe_auto_scaling_groups()
    session.client("sts").get_caller_identity()
    assert resident_mib(status) < 150


def resident_mib(status: control.CloudStatus) -> float:
    text = Path(f"/proc/{status.pid}/status").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("VmRSS:")]
    mib = int(line.split()[1]) / 1024
    print(f"the daemon uses {mib:.0f} MiB")
    return mib
