"""The command line as its user meets it: exit codes, one-line errors, stdout and stderr."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from amikiln import cli

IMAGE = Path(__file__).parent.parent / "images" / "cpu-build"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment without AWS credentials or a local cloud."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return kept | {
        "HOME": str(tmp_path),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AMIKILN_STATE": str(tmp_path / "state"),
    }


def amikiln(environment: dict[str, str], *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "amikiln", *(str(word) for word in words)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_wrong_flag_is_a_usage_error(environment: dict[str, str]) -> None:
    done = amikiln(environment, "run", IMAGE, "--lokal")
    assert done.returncode == 2
    assert "--lokal" in done.stderr
    assert done.stdout == ""


def test_a_missing_spec_is_named(environment: dict[str, str], tmp_path: Path) -> None:
    done = amikiln(environment, "plan", tmp_path / "nothing")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == f"error: there is no {tmp_path}/nothing/image.toml"
    assert done.stdout == ""


def test_a_faulty_spec_names_every_fault(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "image.toml").write_text('name = "CPU"\n')
    done = amikiln(environment, "plan", tmp_path)
    assert done.returncode == 2
    assert 'name: "CPU": is not allowed' in done.stderr
    assert "volume: is missing" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_credentials_are_explained_in_one_line(environment: dict[str, str]) -> None:
    done = amikiln(environment, "status", IMAGE)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: there are no AWS credentials",
        "hint: log in to AWS, or use --local for the local cloud",
    ]


def test_an_endpoint_that_does_not_answer_is_named(environment: dict[str, str]) -> None:
    environment |= {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_MAX_ATTEMPTS": "1",
    }
    done = amikiln(environment, "status", IMAGE)
    assert done.returncode == 1
    assert "http://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_traceback_comes_with_debug_alone(environment: dict[str, str]) -> None:
    done = amikiln(environment, "--debug", "plan", "/nonexistent")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


@pytest.fixture
def own_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the test process's answer to Ctrl-C as it is."""
    monkeypatch.setattr(cli.signal, "signal", lambda number, handler: None)


@pytest.mark.usefixtures("own_signals")
def test_a_fault_of_our_own_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    error, hint = capsys.readouterr().err.splitlines()
    assert error == "error: unexpected ZeroDivisionError: division by zero"
    assert "amikiln --debug" in hint


@pytest.mark.usefixtures("own_signals")
def test_a_file_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "app", lambda: Path("/proc/nothing/verdict.json").write_text(""))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "error: /proc/nothing/verdict.json: No such file or directory\n"
    )


def test_a_time_that_is_none_is_refused(environment: dict[str, str]) -> None:
    done = amikiln(environment, "rollout", IMAGE, "--wait", "soon")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: --wait soon: not a time",
        "hint: write it as 90s, 10m or 2h",
    ]


def test_status_of_an_empty_account_is_data_on_stdout(
    environment: dict[str, str], cloud: Any
) -> None:
    environment |= {
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
    }
    done = amikiln(environment, "status", IMAGE)
    assert done.returncode == 0
    assert "/buildkite/cpu-build-ami/us-east-1 = nothing yet" in done.stdout
    assert done.stderr == ""
