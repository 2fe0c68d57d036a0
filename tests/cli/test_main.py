"""The command line as its user meets it: exit codes, one-line errors, stdout and stderr."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from amikiln import pipeline, version
from amikiln.catalog.tags import TAG_VERDICT_HASH
from amikiln.cli import commands, main
from amikiln.errors import VerifyError
from harness import POINTER, Harness

IMAGE = Path(__file__).parents[2] / "images" / "cpu-build"
AS_BENCH = ("--set", 'instance.types=["t3.micro"]')
"""What the harness's spec has to be proven on."""


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


class Terminal:
    """Runs commands in this process, in an environment without AWS credentials.

    Args:
        patch: Takes the changes back.
        capture: Reads what the commands write.
        home: The user's home directory.
    """

    def __init__(
        self, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str], home: Path
    ) -> None:
        self._patch, self._capture = patch, capture
        for name in os.environ.keys() - {"PATH", "LANG", "PYTHONPATH"}:
            patch.delenv(name)
        # Leaves the test process's answer to Ctrl-C as it is.
        patch.setattr(main.signal, "signal", lambda number, handler: None)
        self.set(
            HOME=home, AWS_EC2_METADATA_DISABLED="true", AMIKILN_STATE=home / "state", COLUMNS=80
        )

    def set(self, **variables: object) -> None:
        for name, value in variables.items():
            self._patch.setenv(name, str(value))

    def use(self, endpoint: str) -> None:
        """Let commands use another cloud's endpoint."""
        self.set(AWS_ENDPOINT_URL=endpoint, AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="y")

    def run(self, *words: object) -> Done:
        self._patch.setattr(sys, "argv", ["amikiln", *map(str, words)])
        self._capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.main()
        written = self._capture.readouterr()
        return Done(int(ended.value.code or 0), written.out, written.err)


@pytest.fixture
def terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Terminal:
    return Terminal(monkeypatch, capsys, tmp_path)


def start(*words: object) -> subprocess.CompletedProcess[str]:
    """Run a command as its user does, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "amikiln", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


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
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: there are no AWS credentials",
        "hint: log in to AWS, or use --local for the local cloud",
    ]


def test_an_endpoint_that_does_not_answer_is_named(terminal: Terminal) -> None:
    terminal.use("http://127.0.0.1:9")
    terminal.set(AWS_MAX_ATTEMPTS=1)
    done = terminal.run("status", IMAGE)
    assert done.returncode == 1
    assert "http://127.0.0.1:9" in done.stderr
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


def test_status_of_an_empty_account_is_data_on_stdout(terminal: Terminal, cloud: Any) -> None:
    terminal.use(cloud.endpoint)
    done = start("status", IMAGE)
    assert done.returncode == 0
    assert "/buildkite/cpu-build-ami/us-east-1 = nothing yet" in done.stdout
    assert done.stderr == ""


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


def test_publish_takes_a_verdict_or_a_reason_and_nothing_half(
    terminal: Terminal, tmp_path: Path
) -> None:
    either = "give either --verdict FILE or --force --reason TEXT"
    verdict = ("--verdict", tmp_path / "verdict.json")
    for words, fault in (
        ((), either),
        (("--force",), "--force without --reason"),
        (("--reason", "urgent"), "--reason without --force"),
        ((*verdict, "--reason", "urgent"), "--reason without --force"),
        ((*verdict, "--force", "--reason", "urgent"), either),
        (("--force", "--reason", "  "), "--reason: not a reason"),
        (("--force", "--reason", "two\nlines"), "--reason: not a reason"),
        (("--force", "--reason", "x" * 256), "--reason: not a reason"),
    ):
        done = terminal.run("publish", IMAGE, "ami-1", *words)
        assert (done.returncode, done.stdout) == (2, ""), words
        error, hint = done.stderr.splitlines()
        assert error.startswith(f"error: {fault}")
        assert hint.startswith("hint: ")


def test_a_verdict_that_is_missing_or_none_publishes_nothing(
    terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "verdict.json"
    for text, fault in ((None, "cannot read"), ("", "is not a verdict"), ("{}", "not a verdict")):
        if text is not None:
            file.write_text(text)
        done = terminal.run("publish", IMAGE, "ami-1", "--verdict", file)
        assert (done.returncode, done.stdout) == (6, "")
        error, _ = done.stderr.splitlines()
        assert fault in error


@pytest.fixture
def account(terminal: Terminal, harness: Harness) -> Terminal:
    """Return a terminal whose commands use the harness's account."""
    terminal.use(harness.cloud.endpoint)
    return terminal


def test_a_kept_verdict_publishes_its_image_until_somebody_edits_it(
    account: Terminal, harness: Harness
) -> None:
    image, file = harness.run().image, harness.folder / "verdict.json"
    harness.ssm.delete_parameter(Name=POINTER)
    (tag,) = (
        tag["Value"]
        for tag in harness.ec2.describe_images(ImageIds=[image.id])["Images"][0]["Tags"]
        if tag["Key"] == TAG_VERDICT_HASH
    )
    assert hashlib.sha256(file.read_bytes()).hexdigest() == tag

    edited = harness.folder / "edited.json"
    edited.write_text(file.read_text().replace("running", "runnin"))
    refused = account.run("publish", IMAGE, image.id, "--verdict", edited, *AS_BENCH)
    assert (refused.returncode, refused.stdout) == (6, "")
    assert "do not carry this verdict: amikiln:verdict-sha256" in refused.stderr
    assert harness.pointer() is None

    other = account.run("publish", IMAGE, image.id, "--verdict", file)
    assert (other.returncode, other.stdout) == (6, "")
    assert "proves something else than the spec asks for now" in other.stderr
    assert harness.pointer() is None

    done = account.run("publish", IMAGE, image.id, "--verdict", file, "--json", *AS_BENCH)
    assert done.returncode == 0, done.stderr
    published = json.loads(done.stdout)
    assert (published["image_id"], published["forced"]) == (image.id, None)
    assert harness.pointer() == image.id


def test_an_image_is_forced_with_a_reason_that_status_shows(
    account: Terminal, harness: Harness
) -> None:
    image = pipeline.bake_image(
        harness.image(), pipeline.new_run("cpu-build"), harness.session
    ).image
    done = account.run("publish", IMAGE, image.id, "--force", "--reason", "the old leaks")
    assert done.returncode == 0, done.stderr
    assert "the old leaks" in done.stdout
    assert f"{image.id} is published WITHOUT PROOF: the old leaks" in done.stderr
    assert harness.pointer() == image.id
    assert "WITHOUT PROOF: the old leaks" in account.run("status", IMAGE).stdout
    shown = json.loads(account.run("status", IMAGE, "--json").stdout)
    assert [line["forced"] for line in shown["images"]] == ["the old leaks"]


def test_bake_and_run_print_what_they_did(
    terminal: Terminal, harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "prepare", lambda *given: (harness.image(), harness.session))

    def printed(*words: str) -> Any:
        done = terminal.run(words[0], harness.folder, *words[1:], "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    baked = printed("bake")["image"]["id"]
    assert harness.pointer() is None
    first = printed("run")["cycle"]
    assert (first["image"]["id"], first["skipped"]) == (baked, [])
    second = printed("run")["cycle"]
    assert (second["image"]["id"], second["skipped"]) == (baked, ["bake", "verify", "publish"])
    third = printed("run", "--rebake")["cycle"]
    assert third["image"]["id"] != baked
    assert harness.pointer() == third["image"]["id"]


@pytest.mark.parametrize("name", ["schema", "verdict-schema"])
def test_schemas_are_printed(terminal: Terminal, name: str) -> None:
    done = terminal.run("export", name)
    assert json.loads(done.stdout)["type"] == "object"


@pytest.mark.parametrize(
    ("flipped", "fault"),
    [
        (("check",), "outcome is fail, and its checks make it pass"),
        (("outcome",), "outcome is pass, and its checks make it fail"),
        (("check", "outcome"), "do not carry this verdict"),
    ],
)
def test_a_failing_verdict_that_somebody_turned_publishes_nothing(
    account: Terminal, harness: Harness, flipped: tuple[str, ...], fault: str
) -> None:
    harness.script.owner_builder = "default"
    with pytest.raises(VerifyError):
        harness.run()
    (image,) = harness.holdings()["images"]
    file = harness.folder / "verdict.json"
    written = json.loads(file.read_text())
    untouched = account.run("publish", IMAGE, image, "--verdict", file, *AS_BENCH)
    assert "its verdict is fail" in untouched.stderr
    for check in written["checks"]:
        check["outcome"] = "pass" if "check" in flipped else check["outcome"]
    written["outcome"] = "pass" if "outcome" in flipped else written["outcome"]
    file.write_text(json.dumps(written))
    refused = account.run("publish", IMAGE, image, "--verdict", file, *AS_BENCH)
    assert (untouched.returncode, refused.returncode) == (6, 6)
    assert fault in refused.stderr
    assert harness.pointer() is None
