"""A plan goes from command to command as a file."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

import amikiln
from amikiln import ImageFolder, Plan, Session
from amikiln.machine import ssh
from amikiln.plan import resolve, reuse
from cli.terminal import Terminal
from fakes import pin
from harness import Harness

TOML = """
name = "cpu-build"
region = "us-east-1"
ami_name_prefix = "test-image"
[source]
name = "amikiln-base-debian-13-x86_64"
owner = "136693071363"
[instance]
types = ["t3.micro"]
ssh_from = "127.0.0.1/32"
[volume]
size_gib = 12
[docker]
images = ["registry.example/team/app:latest"]
[buildkit]
builder = "baked-vllm-builder"
[warm]
context = "warm"
dockerfile = "Dockerfile"
[publish]
parameter = "/buildkite/cpu-build-ami/{region}"
"""
PLAN = "plan.json"


@pytest.fixture
def image(account: Terminal, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an image's folder, as seen from the directory where commands run."""
    (harness.folder / "image.toml").write_text(TOML)
    monkeypatch.chdir(harness.folder.parent)
    for module in (resolve, reuse):
        monkeypatch.setattr(module, "ask_registries", lambda spec, session: pin)
    monkeypatch.setattr(ssh, "SshGuest", harness.guest)
    return Path(harness.folder.name)


def refuse(terminal: Terminal, *words: object) -> str:
    """Return why a command refuses a plan."""
    done = terminal.run(*words)
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    assert "hint: " in done.stderr
    return done.stderr


def test_bake_and_verify_use_the_plan_that_was_written(
    account: Terminal, harness: Harness, image: Path
) -> None:
    done = account.run("plan", image, "--out", PLAN)
    assert done.returncode == 0, done.stderr
    assert "would bake" in done.stdout
    content = Path(PLAN).read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    assert f"wrote the plan to {PLAN}: its SHA-256 is {sha256}" in done.stderr
    baked = json.loads(account.run("bake", image, "--plan", PLAN, "--json").stdout)
    assert baked["digest"] == json.loads(content)["digest"]
    # The folder is the one that the plan names.
    done = account.run("verify", baked["image"]["id"], "--plan", PLAN, "--verdict", "v.json")
    assert done.returncode == 0, done.stderr
    assert json.loads(Path("v.json").read_text())["plan_sha256"] == sha256
    words = ("publish", image, baked["image"]["id"], "--verdict", "v.json", "--plan", PLAN)
    done = account.run(*words)
    assert done.returncode == 0, done.stderr
    assert harness.pointer() == baked["image"]["id"]


def test_a_file_that_is_there_is_replaced_and_a_pipe_is_not(
    account: Terminal, image: Path, tmp_path: Path
) -> None:
    file, link = tmp_path / "old.json", tmp_path / "link.json"
    file.write_text("old")
    link.symlink_to(file)
    assert account.run("plan", image, "--out", link).returncode == 0
    assert link.is_symlink()
    assert json.loads(file.read_text())["format_version"] == 1
    assert list(tmp_path.glob(".old*")) == []
    assert account.run("plan", image, "--out", "/dev/null").returncode == 0
    assert not Path("/dev/null").is_file()


def test_a_plan_that_may_be_too_old_after_its_own_bake_says_so(
    account: Terminal, image: Path
) -> None:
    short = ("--set", "plan.max_age_hours=2")
    told = "plan.max_age_hours is 2, and a bake may take "
    assert told in account.run("plan", image, *short, "--out", PLAN).stderr
    assert "a bake may take" not in account.run("plan", image, "--out", PLAN).stderr


def test_a_plan_is_given_the_secrets_of_its_logins(
    account: Terminal, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []

    def remember(folder: ImageFolder, session: Session) -> Plan:
        given.extend(session.secrets.values())
        return make_plan(folder, session)

    make_plan = resolve.plan
    monkeypatch.setattr(amikiln, "make_plan", remember, raising=False)
    reader, writer = os.pipe()
    os.write(writer, b'{"pull": "of-the-registry"}')
    os.close(writer)
    done = account.run("plan", image, "--secrets-fd", reader, "--out", PLAN)
    assert (done.returncode, given) == (0, ["of-the-registry"])
    assert "of-the-registry" not in Path(PLAN).read_text() + done.stdout + done.stderr


def test_json_prints_what_out_writes(account: Terminal, image: Path) -> None:
    done = account.run("plan", image, "--json", "--out", PLAN)
    assert done.stdout == Path(PLAN).read_text()


def test_changes_of_the_spec_are_the_plan_s(account: Terminal, image: Path) -> None:
    account.run("plan", image, "--set", "volume.size_gib=20", "--out", PLAN)
    assert json.loads(Path(PLAN).read_text())["spec"]["volume"]["size_gib"] == 20
    done = account.run("bake", "--plan", PLAN, "--json")
    assert done.returncode == 0, done.stderr
    again = account.run("bake", image, "--plan", PLAN, "--set", "volume.size_gib=20", "--json")
    assert json.loads(again.stdout)["image"] == json.loads(done.stdout)["image"]
    why = refuse(account, "bake", image, "--plan", PLAN, "--set", "volume.size_gib=21")
    assert f"{image}/image.toml: volume.size_gib is 21, and was 20 when planned" in why


def test_the_environment_names_a_plan_for_all_steps(account: Terminal, image: Path) -> None:
    account.run("plan", image, "--out", PLAN)
    account.set(AMIKILN_PLAN=PLAN)
    (image / "image.toml").write_text(TOML.replace("size_gib = 12", "size_gib = 13"))
    assert "volume.size_gib is 13, and was 12" in refuse(account, "bake", image)


def test_a_plan_for_the_local_cloud_says_so_before_a_cloud_is_asked(
    account: Terminal, image: Path
) -> None:
    account.run("plan", image, "--out", PLAN)
    account.set(AWS_ENDPOINT_URL="http://127.0.0.1:9")
    why = refuse(account, "bake", image, "--plan", PLAN, "--local")
    assert f"the plan {PLAN} was made without --local, and this command is with it" in why


def test_an_image_of_another_plan_is_refused(
    account: Terminal, harness: Harness, image: Path
) -> None:
    account.run("plan", image, "--out", PLAN)
    account.run("plan", image, "--set", "volume.size_gib=20", "--out", "other.json")
    ami = json.loads(account.run("bake", image, "--plan", "other.json", "--json").stdout)["image"]
    words: tuple[Any, ...] = (image, ami["id"], "--plan", PLAN)
    assert f"{ami['id']} was not baked from the plan {PLAN}" in refuse(account, "verify", *words)
    forced = ("--force", "--reason", "it is urgent")
    assert "was not baked from the plan" in refuse(account, "publish", *words, *forced)
    assert harness.pointer() is None


def test_a_verdict_of_another_plan_is_refused(
    account: Terminal, harness: Harness, image: Path
) -> None:
    account.run("plan", image, "--out", PLAN)
    # The same inputs, planned another time.
    account.run("plan", image, "--set", "plan.max_age_hours=5", "--out", "other.json")
    with_other = ("--plan", "other.json")
    ami = json.loads(account.run("bake", *with_other, "--json").stdout)["image"]["id"]
    account.run("verify", image, ami, "--verdict", "v.json", *with_other)
    why = refuse(account, "publish", image, ami, "--verdict", "v.json", "--plan", PLAN)
    assert f"the verdict of {ami} is of the plan " in why
    assert harness.pointer() is None


@pytest.mark.parametrize("command", ["bake", "run", "verify", "publish"])
def test_a_file_that_is_no_plan_is_refused(account: Terminal, image: Path, command: str) -> None:
    Path(PLAN).write_text("{}")
    ami = ("ami-0123456789abcdef0",) if command in ("verify", "publish") else ()
    proof = ("--force", "--reason", "it is urgent") if command == "publish" else ()
    why = refuse(account, command, image, *ami, *proof, "--plan", PLAN)
    assert f"{PLAN} is not a plan: format_version: is missing" in why
    os.unlink(PLAN)
    assert "cannot read the plan" in refuse(account, command, image, *ami, *proof, "--plan", PLAN)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("bake",), "the image's directory is missing"),
        (("verify", "images/x"), "the AMI's id is missing"),
        (("verify", "--plan", PLAN), "the AMI's id is missing"),
    ],
)
def test_words_that_are_missing_are_named(
    account: Terminal, words: tuple[str, ...], fault: str
) -> None:
    done = account.run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert fault in done.stderr


def test_bake_files_are_given_by_the_environment_too(
    image: Path, account: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = 'bake_files = [{ given = "one.hcl" }, { given = "two.hcl" }]'
    file = image / "image.toml"
    file.write_text(TOML.replace('dockerfile = "Dockerfile"', both))
    Path("one.hcl").write_text('target "default" {}\n')
    Path("other.hcl").write_text('target "default" { args = { A = "1" } }\n')
    assert "one.hcl=PATH" in refuse(account, "plan", image)
    monkeypatch.setenv("AMIKILN_BAKE_FILES", "one.hcl two.hcl=other.hcl")
    done = account.run("plan", image, "--out", PLAN)
    assert done.returncode == 0, done.stderr
    held = json.loads(Path(PLAN).read_text())["bake_files"]
    assert list(held) == ["bake-files/1-one.hcl", "bake-files/2-two.hcl"]
