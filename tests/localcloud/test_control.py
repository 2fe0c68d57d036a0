"""The daemon as a process of its own: started, found again, ended, killed.

One daemon is a real process: the one that is killed. Elsewhere another process, or this one,
stands where the daemon would be.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from amikiln.errors import LocalCloudError, PreflightError, SpecError
from amikiln.runtime.installed import find_line_for_extra
from amikiln.runtime.progress import PlainReporter
from amikiln_localcloud import cli, control, daemon_record, extra
from amikiln_localcloud.control import CloudStatus
from amikiln_localcloud.daemon_record import DaemonRecord
from amikiln_localcloud.home import Home
from amikiln_localcloud.machines.kinds import Choice, Kind
from fakes import Recorder
from localcloud.daemons import client, record_of, run_in_thread, sleeping_daemon, use, wait_for_end


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A home of one test's own; nothing runs yet."""
    home = use(monkeypatch, tmp_path)
    yield home
    control.down(home, PlainReporter())


def test_two_ups_at_once_start_one_daemon(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    starting, go_on = threading.Event(), threading.Event()
    starts: list[Home] = []

    def start(home: Home, choice: Choice, late: float) -> DaemonRecord:
        starts.append(home)
        starting.set()
        assert go_on.wait(60)
        record = record_of(process.pid)
        record.write(home.daemon_record)
        return record

    monkeypatch.setattr(control, "_start", start)
    with subprocess.Popen(["sleep", "600"]) as process, ThreadPoolExecutor(2) as threads:
        found = [threads.submit(control.up, home, PlainReporter()) for _ in range(2)]
        assert starting.wait(60)
        go_on.set()
        assert found[0].result(60) == found[1].result(60)
        process.kill()
    assert starts == [home]


def test_a_daemon_that_cannot_start_says_why(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FAKE_FAILURE", "there is no disk space")
    assert run_in_thread(home) == LocalCloudError.exit_code
    assert "there is no disk space" in caplog.text


def test_what_the_daemon_wrote_is_reported_when_it_dies_at_start(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.state.mkdir(parents=True)
    home.daemon_log.write_text("of an earlier start\n")
    monkeypatch.setattr(control, "DAEMON", ("sh", "-c", "echo there is no disk space >&2; exit 9"))
    with pytest.raises(LocalCloudError, match=r"ended at once:\nthere is no disk space$"):
        control.up(home, PlainReporter())
    assert not control.status(home).running


def test_a_stale_record_is_noticed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.state.mkdir(parents=True)
    # This very process's id, but of a process that started at another time.
    record_of(os.getpid()).model_copy(update={"started_ticks": 1}).write(home.daemon_record)
    assert not control.status(home).running
    report = Recorder()
    with subprocess.Popen(["sleep", "600"]) as process:
        monkeypatch.setattr(control, "_start", lambda home, choice, late: record_of(process.pid))
        assert control.up(home, report).pid == process.pid
        process.kill()
    assert "has ended without saying so" in report.said[0]
    assert not home.daemon_record.exists()


def test_an_invalid_record_is_ignored(tmp_path: Path) -> None:
    file = tmp_path / "daemon.json"
    record_of(os.getpid()).write(file)
    whole = json.loads(file.read_text())
    assert daemon_record.read(file) == record_of(os.getpid())
    for broken in (
        "",
        "{}",
        "[]",
        json.dumps({**whole, "pid": "1"}),
        json.dumps({**whole, "x": 1}),
    ):
        file.write_text(broken)
        assert daemon_record.read(file) is None


def test_the_kind_that_is_asked_for_is_handed_on(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Kind | None] = []

    def prepare(home: Home, report: object, wanted: Kind | None) -> Choice:
        asked.append(wanted)
        raise PreflightError("machines cannot be that here: no reason")

    monkeypatch.setattr(control, "prepare", prepare)
    monkeypatch.setenv("AMIKILN_MACHINES", "container")
    for words in (["up"], ["up", "--machines", "kvm"]):
        answer = CliRunner().invoke(cli.cloud, words)
        assert isinstance(answer.exception, PreflightError)
    monkeypatch.delenv("AMIKILN_MACHINES")
    assert isinstance(CliRunner().invoke(cli.cloud, ["up"]).exception, PreflightError)
    assert asked == [Kind.CONTAINER, Kind.KVM, None]
    assert not control.status(home).running


def test_an_unknown_kind_names_the_three_and_starts_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = CliRunner().invoke(cli.cloud, ["up", "--machines", "xen"])
    assert isinstance(answer.exception, SpecError)
    assert answer.exception.hint == "one of kvm, container, emulated"
    assert not home.state.exists()


def test_status_of_containers_says_what_they_are_not(home: Home) -> None:
    with sleeping_daemon(home) as process:
        record = record_of(process.pid).model_copy(update={"machines": "container"})
        record.write(home.daemon_record)
        lines = CliRunner().invoke(cli.cloud, ["status"]).stdout.splitlines()
    assert lines[1] == "machines: container (they are fakes)"
    assert lines[2].startswith("root in a machine is root on this host")


def test_complete_images_survive_a_kill_and_unfinished_ones_are_removed(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    report = PlainReporter()
    assert control.status(home) == CloudStatus(running=False)
    status = control.up(home, report)
    assert status.pid is not None
    api = client(status, "ec2")
    base = api.describe_images()["Images"][0]["ImageId"]
    instance_id = api.run_instances(ImageId=base, MinCount=1, MaxCount=1, InstanceType="t3.small")[
        "Instances"
    ][0]["InstanceId"]
    api.get_waiter("instance_running").wait(
        InstanceIds=[instance_id], WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    image_id = api.create_image(InstanceId=instance_id, Name="complete")["ImageId"]
    api.get_waiter("image_available").wait(
        ImageIds=[image_id], WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    client(status, "ssm").put_parameter(Name="/a/b", Value="1", Type="String")
    # As when the daemon is killed while it writes.
    half = home.snapshots / ".snap-0123.half"
    half.mkdir()
    (half / "disk.raw").write_text("half of a disk")
    os.kill(status.pid, signal.SIGKILL)
    wait_for_end(status.pid)

    again = control.up(home, report)
    assert again.pid is not None
    api = client(again, "ec2")
    images = api.describe_images(Owners=["self"])["Images"]
    assert [(image["ImageId"], image["Name"]) for image in images] == [(image_id, "complete")]
    assert api.describe_instances()["Reservations"] == []
    assert client(again, "ssm").get_parameter(Name="/a/b")["Parameter"]["Value"] == "1"
    assert not half.exists()
    assert len(list(home.snapshots.iterdir())) == 1

    control.down(home, report)
    wait_for_end(again.pid)
    assert control.status(home) == CloudStatus(running=False)
    assert not home.daemon_record.exists()
    assert "down" in home.daemon_log.read_text().splitlines()[-1]
    control.down(home, report)
    assert "the local cloud is not up" in capsys.readouterr().err


def test_a_daemon_that_does_not_end_is_killed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "STOP_SECONDS", 0.1)
    home.state.mkdir(parents=True)
    argv = ["sh", "-c", "trap '' TERM; echo; exec sleep 600"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        record_of(process.pid).write(home.daemon_record)
        control.down(home, PlainReporter())
        assert process.wait(30) == -signal.SIGKILL
    assert not home.daemon_record.exists()


def test_reset_ends_the_daemon_and_removes_what_is_stored(home: Home) -> None:
    home.snapshots.mkdir(parents=True)
    (home.snapshots / "disk.raw").write_text("content")
    home.state_file.write_text("{}")
    home.cache.mkdir(parents=True)
    (home.state / "link").symlink_to(home.cache)
    with sleeping_daemon(home) as process:
        control.reset(home, PlainReporter())
        assert process.wait(30) == -signal.SIGTERM
    assert not control.status(home).running
    assert [entry.name for entry in home.state.iterdir()] == [control._LOCK]
    assert home.cache.exists()


def test_commands_and_exit_codes_for_a_cloud_that_is_down(home: Home) -> None:
    runner = CliRunner()
    shown = runner.invoke(cli.cloud, ["status", "--json"])
    assert (shown.exit_code, json.loads(shown.stdout)["running"]) == (1, False)
    assert isinstance(runner.invoke(cli.cloud, ["env"]).exception, LocalCloudError)
    with sleeping_daemon(home) as process:
        assert runner.invoke(cli.cloud, ["status"]).exit_code == 0
        assert runner.invoke(cli.cloud, ["down"]).exit_code == 0
        assert process.wait(30) == -signal.SIGTERM
    assert runner.invoke(cli.cloud, ["down"]).exit_code == 0
    assert runner.invoke(cli.cloud, ["status"]).exit_code == 1


def test_without_the_extra_one_line_says_how_to_get_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    answer = CliRunner().invoke(cli.cloud, ["status"])
    assert isinstance(answer.exception, PreflightError)
    assert answer.exception.hint == find_line_for_extra("local")
    with pytest.raises(PreflightError, match="not installed"):
        control.up(home, PlainReporter())
    assert CliRunner().invoke(cli.cloud, ["--help"]).exit_code == 0
