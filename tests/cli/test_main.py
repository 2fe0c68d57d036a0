"""The command line as its user meets it: exit codes, one-line errors, help."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from amikiln import version
from amikiln.cli import commands, main
from cli.terminal import IMAGE, Done, Terminal


def test_a_wrong_flag_is_a_usage_error(terminal: Terminal) -> None:
    done = terminal.run("run", IMAGE, "--lokal")
    assert done.returncode == 2
    assert "--lokal" in done.stderr
    assert done.stdout == ""


def test_a_missing_spec_is_named(terminal: Terminal, tmp_path: Path) -> None:
    done = terminal.run("plan", tmp_path / "nothing")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == f"error: there is no {tmp_path}/nothing/image.toml"
    assert done.stdout == ""


def test_a_faulty_spec_names_every_fault(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "image.toml").write_text('name = "CPU"\n')
    done = terminal.run("plan", tmp_path)
    assert done.returncode == 2
    assert 'name: "CPU": is not allowed' in done.stderr
    assert "volume: is missing" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_credentials_are_explained_in_one_line(terminal: Terminal) -> None:
    done = terminal.run("status", IMAGE)
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "error: there are no AWS credentials (region us-east-1)",
        "hint: `aws configure`, or `aws configure sso` for single sign-on; or use --local for the"
        " local cloud",
    ]


def test_an_endpoint_that_does_not_answer_is_named(terminal: Terminal) -> None:
    terminal.use("http://127.0.0.1:9")
    terminal.set(AWS_MAX_ATTEMPTS=1)
    done = terminal.run("status", IMAGE)
    assert done.returncode == 3
    assert "nothing answers at http://127.0.0.1:9/" in done.stderr
    assert "unset AWS_ENDPOINT_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_traceback_comes_with_debug_alone(terminal: Terminal) -> None:
    done = terminal.run("--debug", "plan", "/nonexistent")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_a_fault_of_our_own_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, terminal: Terminal
) -> None:
    def broken(prog_name: str) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(main, "app", broken)
    done = terminal.run()
    assert done.returncode == 1
    error, hint = done.stderr.splitlines()
    assert error == "error: unexpected ZeroDivisionError: division by zero"
    assert "amikiln --debug" in hint


def test_a_file_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, terminal: Terminal
) -> None:
    file = Path("/proc/nothing/verdict.json")
    monkeypatch.setattr(main, "app", lambda prog_name: file.write_text(prog_name))
    done = terminal.run()
    assert done.returncode == 1
    assert done.stderr == "error: /proc/nothing/verdict.json: No such file or directory\n"


def test_a_time_that_is_none_is_refused(terminal: Terminal) -> None:
    done = terminal.run("rollout", IMAGE, "--wait", "soon")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: --wait soon: not a time",
        "hint: write it as 90s, 10m or 2h",
    ]


SLOW = ("boto3", "botocore", "filelock", "jinja2", "moto", "pydantic", "rich", "yaml")
"""What takes long to import, and is imported by the commands that need it."""


def test_help_imports_nothing_that_takes_long() -> None:
    program = f"""
import sys
from amikiln.cli.main import app
try:
    app(sys.argv[1:])
finally:
    print(*sorted(sys.modules.keys() & set({SLOW!r})), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=True
    )
    assert "rollout" in done.stdout
    assert done.stderr.split() == []


@pytest.mark.parametrize("width", [60, 120])
def test_help_says_what_each_command_does(terminal: Terminal, width: int) -> None:
    terminal.set(COLUMNS=width)
    listed = terminal.run("--help").stdout.partition("Commands:")[2].splitlines()[1:]
    commands_listed = [line.split()[0] for line in listed]
    assert commands_listed == [c.__name__ for c in commands.ALL] + ["export", "cloud"]
    assert not [line for line in listed if line.endswith("...")], "cut off"
    for command in commands_listed:
        assert terminal.run(command, "--help").stdout.startswith(f"Usage: amikiln {command} ")


def test_the_version_is_that_of_the_package(terminal: Terminal) -> None:
    assert terminal.run("--version") == Done(0, f"{version.__version__}\n", "")
