"""The command line as its user meets it: exit codes, one-line errors, stdout and stderr."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from amikiln import pipeline
from amikiln.catalog.tags import TAG_VERDICT_HASH
from amikiln.cli import commands, main
from amikiln.errors import VerifyError
from bench import POINTER, Bench
from fakes import spec

IMAGE = Path(__file__).parents[2] / "images" / "cpu-build"


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
    monkeypatch.setattr(main.signal, "signal", lambda number, handler: None)


@pytest.mark.usefixtures("own_signals")
def test_a_fault_of_our_own_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(main, "app", broken)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    error, hint = capsys.readouterr().err.splitlines()
    assert error == "error: unexpected ZeroDivisionError: division by zero"
    assert "amikiln --debug" in hint


@pytest.mark.usefixtures("own_signals")
def test_a_file_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(main, "app", lambda: Path("/proc/nothing/verdict.json").write_text(""))
    with pytest.raises(SystemExit) as ended:
        main.main()
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


def test_publish_takes_a_verdict_or_a_reason_and_nothing_half(
    environment: dict[str, str], tmp_path: Path
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
        done = amikiln(environment, "publish", IMAGE, "ami-1", *words)
        assert (done.returncode, done.stdout) == (2, ""), words
        error, hint = done.stderr.splitlines()
        assert error.startswith(f"error: {fault}")
        assert hint.startswith("hint: ")


def test_a_verdict_that_is_missing_or_none_publishes_nothing(
    environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "verdict.json"
    for text, fault in ((None, "cannot read"), ("", "is not a verdict"), ("{}", "not a verdict")):
        if text is not None:
            file.write_text(text)
        done = amikiln(environment, "publish", IMAGE, "ami-1", "--verdict", file)
        assert (done.returncode, done.stdout) == (6, "")
        error, _ = done.stderr.splitlines()
        assert fault in error


@pytest.fixture
def account(environment: dict[str, str], bench: Bench) -> dict[str, str]:
    """Return an environment whose commands reach the bench's account."""
    return environment | {
        "AWS_ENDPOINT_URL": bench.cloud.endpoint,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
    }


def test_a_kept_verdict_publishes_its_image_until_somebody_edits_it(
    account: dict[str, str], bench: Bench
) -> None:
    image, file = bench.cycle().image, bench.folder / "verdict.json"
    bench.ssm.delete_parameter(Name=POINTER)
    (tag,) = (
        tag["Value"]
        for tag in bench.ec2.describe_images(ImageIds=[image.id])["Images"][0]["Tags"]
        if tag["Key"] == TAG_VERDICT_HASH
    )
    assert hashlib.sha256(file.read_bytes()).hexdigest() == tag

    edited = bench.folder / "edited.json"
    edited.write_text(file.read_text().replace("running", "runnin"))
    refused = amikiln(account, "publish", IMAGE, image.id, "--verdict", edited)
    assert (refused.returncode, refused.stdout) == (6, "")
    assert "do not carry this verdict: amikiln:verdict-sha256" in refused.stderr
    assert bench.pointer() is None

    done = amikiln(account, "publish", IMAGE, image.id, "--verdict", file, "--json")
    assert done.returncode == 0, done.stderr
    published = json.loads(done.stdout)
    assert (published["image_id"], published["forced"]) == (image.id, None)
    assert bench.pointer() == image.id


def test_an_image_is_forced_with_a_reason_that_status_shows(
    account: dict[str, str], bench: Bench
) -> None:
    image = pipeline.bake_image(
        spec(), bench.own, pipeline.new_run("cpu-build"), bench.session
    ).image
    done = amikiln(account, "publish", IMAGE, image.id, "--force", "--reason", "the old leaks")
    assert done.returncode == 0, done.stderr
    assert "the old leaks" in done.stdout
    assert f"{image.id} is published WITHOUT PROOF: the old leaks" in done.stderr
    assert bench.pointer() == image.id
    assert "WITHOUT PROOF: the old leaks" in amikiln(account, "status", IMAGE).stdout
    shown = json.loads(amikiln(account, "status", IMAGE, "--json").stdout)
    assert [line["forced"] for line in shown["images"]] == ["the old leaks"]


def test_bake_and_run_print_what_they_did(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AMIKILN_STATE", str(bench.folder / "runs"))
    monkeypatch.setattr(commands, "prepared", lambda *given: (spec(), bench.session))

    def printed(*words: str) -> Any:
        main.app([words[0], str(bench.folder), *words[1:], "--json"], standalone_mode=False)
        return json.loads(capsys.readouterr().out)

    baked = printed("bake")["image"]["id"]
    assert bench.pointer() is None
    first = printed("run")["cycle"]
    assert (first["image"]["id"], first["skipped"]) == (baked, [])
    second = printed("run")["cycle"]
    assert (second["image"]["id"], second["skipped"]) == (baked, ["bake", "verify", "publish"])
    third = printed("run", "--rebake")["cycle"]
    assert third["image"]["id"] != baked
    assert bench.pointer() == third["image"]["id"]


@pytest.mark.parametrize("name", ["schema", "verdict-schema"])
def test_schemas_are_printed(environment: dict[str, str], name: str) -> None:
    done = amikiln(environment, "export", name)
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
    account: dict[str, str], bench: Bench, flipped: tuple[str, ...], fault: str
) -> None:
    bench.script.owner_builder = "default"
    with pytest.raises(VerifyError):
        bench.cycle()
    (image,) = bench.holdings()["images"]
    file = bench.folder / "verdict.json"
    written = json.loads(file.read_text())
    untouched = amikiln(account, "publish", IMAGE, image, "--verdict", file)
    assert "its verdict is fail" in untouched.stderr
    for check in written["checks"]:
        check["outcome"] = "pass" if "check" in flipped else check["outcome"]
    written["outcome"] = "pass" if "outcome" in flipped else written["outcome"]
    file.write_text(json.dumps(written))
    refused = amikiln(account, "publish", IMAGE, image, "--verdict", file)
    assert (untouched.returncode, refused.returncode) == (6, 6)
    assert fault in refused.stderr
    assert bench.pointer() is None
