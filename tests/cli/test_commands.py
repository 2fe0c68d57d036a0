"""Commands as their user meets them: what they change in the cloud, print, and refuse."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from amikiln import pipeline
from amikiln.catalog.tags import TAG_VERDICT_HASH
from amikiln.cli import commands
from amikiln.errors import VerifyError
from cli.terminal import IMAGE, Terminal
from harness import POINTER, Harness

AS_BENCH = (
    *("--set", 'instance.types=["t3.micro"]'),
    *("--set", "fleet.elastic_stack=false"),
    *("--set", "verify.minimum_checkout_hit_share=1.0"),
)
"""What the harness's spec has to be proven on."""


def start(*words: object) -> subprocess.CompletedProcess[str]:
    """Run a command as its user does, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "amikiln", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_status_of_an_empty_account_is_data_on_stdout(terminal: Terminal, cloud: Any) -> None:
    terminal.use(cloud.endpoint)
    done = start("status", IMAGE)
    assert done.returncode == 0
    assert "/buildkite/cpu-build-ami/us-east-1 = nothing yet" in done.stdout
    (line,) = done.stderr.splitlines()
    assert f"warning: this works on the local cloud at {cloud.endpoint}" in line


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


def test_a_refusal_while_planning_is_an_error_before_anything_is_made(
    terminal: Terminal, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: object, session: object) -> None:
        answer: Any = {"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}
        raise ClientError(answer, "DescribeImages")

    terminal.use(cloud.endpoint)
    monkeypatch.setattr("amikiln.make_plan", refuse, raising=False)
    done = terminal.run("plan", IMAGE)
    assert done.returncode == 3
    assert "error: DescribeImages failed: UnauthorizedOperation" in done.stderr
