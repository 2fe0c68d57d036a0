"""The daemon as a process of its own: started, found again, ended, killed.

Two daemons are real processes: one that the tests which change nothing share, and one that is
killed. Elsewhere another process, or this one, stands where the daemon would be.
"""

from __future__ import annotations

import json
import os
import select
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from amikiln.errors import LocalCloudError, PreflightError, SpecError
from amikiln.runtime.progress import PlainReporter
from amikiln.version import __version__
from amikiln_localcloud import cli, control, daemon, daemon_record, extra, variables
from amikiln_localcloud.control import CloudStatus
from amikiln_localcloud.daemon_record import DaemonRecord
from amikiln_localcloud.home import Home
from amikiln_localcloud.machines.kinds import Choice, Kind
from fakes import Recorder
from localcloud import fake_daemon
from localcloud.fixture import LocalSession

BASE_NAME = "amikiln-base-debian-13-x86_64"


def use(patch: pytest.MonkeyPatch, directory: Path) -> Home:
    """Make a directory the default home, whose daemon has fake machines."""
    tests = str(Path(__file__).parent.parent)
    patch.setattr(control, "DAEMON", (sys.executable, fake_daemon.__file__))
    patch.setattr(control, "prepare", lambda home, report, wanted: fake_daemon.CHOICE)
    patch.setattr(control, "fill_registry", lambda home, address, report: None)
    inherited = [path for path in sys.path if path]
    patch.setenv("PYTHONPATH", os.pathsep.join([tests, *inherited]))
    patch.setenv("AMIKILN_STATE", str(directory / "state"))
    patch.setenv("AMIKILN_CACHE", str(directory / "cache"))
    return Home.default()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A home of one test's own; nothing runs yet."""
    home = use(monkeypatch, tmp_path)
    yield home
    control.down(home, PlainReporter())


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


@contextmanager
def sleeping_daemon(home: Home) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process that the home's record names as its daemon."""
    home.state.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(["sleep", "600"]) as process:
        record_of(process.pid).write(home.daemon_record)
        yield process
        process.kill()


def record_of(pid: int) -> DaemonRecord:
    return DaemonRecord(
        pid=pid,
        started_ticks=daemon_record.read_start_ticks(pid) or 0,
        port=9,
        registry="127.0.0.1:9",
        version=__version__,
        machines=fake_daemon.CHOICE.kind,
        machines_reason=fake_daemon.CHOICE.reason,
    )


def client(status: CloudStatus, service: str) -> Any:
    assert status.endpoint is not None
    return LocalSession(status.endpoint, "us-east-1").client(service)


def wait_for_end(pid: int) -> None:
    process = daemon_record.open_process(pid)
    if process is not None:
        assert select.select([process], [], [], 30)[0], "the daemon did not end"
        os.close(process)


def run_in_thread(home: Home) -> object:
    """Run the daemon in a thread, which keeps its signal mask to itself; return its exit code."""

    def run() -> object:
        with pytest.raises(SystemExit) as ended:
            daemon.run(home, fake_daemon.parts)
        return ended.value.code

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run).result(60)


def test_up_is_idempotent(shared: tuple[Home, CloudStatus]) -> None:
    home, first = shared
    assert control.up(home, PlainReporter()) == first == control.status(home)
    assert first.running
    (image,) = client(first, "ec2").describe_images()["Images"]
    assert image["Name"] == BASE_NAME


def test_two_ups_at_once_start_one_daemon(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    starting, go_on = threading.Event(), threading.Event()
    starts: list[Home] = []

    def start(home: Home, choice: Choice) -> DaemonRecord:
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


def test_a_second_daemon_for_the_same_home_refuses(
    shared: tuple[Home, CloudStatus], caplog: pytest.LogCaptureFixture
) -> None:
    home, _ = shared
    assert run_in_thread(home) == LocalCloudError.exit_code
    assert "another daemon" in caplog.text
    assert control.status(home).running


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
        monkeypatch.setattr(control, "_start", lambda home, choice: record_of(process.pid))
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


def test_status_says_which_kind_and_why_in_a_line(shared: tuple[Home, CloudStatus]) -> None:
    lines = CliRunner().invoke(cli.cloud, ["status"]).stdout.splitlines()
    assert lines[1:] == ["machines: emulated (they are fakes)"]
    found = json.loads(CliRunner().invoke(cli.cloud, ["status", "--json"]).stdout)
    assert (found["machines"], found["machines_reason"]) == ("emulated", "they are fakes")
    assert found["machines_notes"] == []


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
    assert answer.exception.hint == "pip install 'amikiln[local]'"
    with pytest.raises(PreflightError, match="not installed"):
        control.up(home, PlainReporter())
    assert CliRunner().invoke(cli.cloud, ["--help"]).exit_code == 0


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
