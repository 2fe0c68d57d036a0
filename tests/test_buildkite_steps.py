"""The pipeline's steps by themselves: what each asks of amikiln, Packer and Buildkite."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import fake_agent

ROOT = Path(__file__).parent.parent
IMAGE_ID = "ami-0123456789abcdef0"
PACKERS = {
    "builds": [{"artifact_id": "us-east-1:ami-old"}, {"artifact_id": f"us-east-1:{IMAGE_ID}"}]
}

AMIKILN = """
echo "amikiln $*" >>"$CALLS"
echo "lease wait $AMIKILN_LEASE_WAIT" >>"$CALLS"
case $1 in
bake) echo "table of $1"; printf '{"image": {"id": "%s"}}' "$IMAGE_ID" >result.json ;;
verify) echo "table of $1"; [ -n "${NO_VERDICT:-}" ] || echo '{}' >verdict.json ;;
publish) echo '{}' >published.json ;;
*) echo "table of $1" ;;
esac
exit "${EXIT_CODE:-0}"
"""
PACKER = """
echo "packer $* in ${PWD##*/}" >>"$CALLS"
case $1 in build) printf '%s' "$PACKERS" >packer-manifest.json ;; esac
exit "${EXIT_CODE:-0}"
"""


@dataclass
class Agent:
    """A checkout with a fake amikiln, and a fake of Buildkite's server."""

    place: Path
    variables: dict[str, str] = field(default_factory=dict)

    def program(self, path: str, script: str) -> None:
        file = self.place / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def run(self, step: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.place / "repo/.buildkite/steps" / step, *words],
            env={
                "PATH": f"{self.place}/bin:/usr/bin:/bin",
                "CALLS": str(self.place / "calls"),
                "IMAGE_ID": IMAGE_ID,
                "PACKERS": json.dumps(PACKERS),
                "FAKE_BUILDKITE": str(self.place / "server"),
                **self.variables,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        file = self.place / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def asked(self) -> list[dict[str, Any]]:
        file = self.place / "server" / "calls.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def words(self) -> list[str]:
        return [" ".join(call["words"]) for call in self.asked()]


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    found = Agent(tmp_path)
    shutil.copytree(ROOT / ".buildkite", tmp_path / "repo/.buildkite")
    (tmp_path / "repo/packer/cpu").mkdir(parents=True)
    found.program("repo/scripts/lib/setup.sh", 'echo "setup $*" >>"$CALLS"')
    found.program("repo/.venv/bin/amikiln", AMIKILN)
    found.program("repo/.venv/bin/python", f'exec {shlex.quote(sys.executable)} "$@"')
    fake_agent.install(tmp_path / "bin")
    return found


def test_build_bakes_and_hands_on_the_image_s_id(agent: Agent) -> None:
    done = agent.run("build.sh", "bake")
    assert done.returncode == 0, done.stderr
    assert agent.calls() == [
        "setup --pipeline",
        "amikiln bake images/cpu-build --result result.json",
        "lease wait 20m",
    ]
    assert agent.words() == [
        "artifact upload result.json",
        f"meta-data set cpu-build-ami {IMAGE_ID}",
        "annotate --style info --context cpu-build-ami-build.sh",
    ]
    assert "```term\ntable of bake\n```" in agent.asked()[-1]["body"]


def test_packer_builds_instead_and_its_newest_image_counts(agent: Agent) -> None:
    agent.program("bin/packer", PACKER)
    done = agent.run("build.sh", "packer")
    assert done.returncode == 0, done.stderr
    assert agent.calls()[1:] == [
        "packer init . in cpu",
        "packer build -color=false buildkite-cpu-ami.pkr.hcl in cpu",
    ]
    assert f"meta-data set cpu-build-ami {IMAGE_ID}" in agent.words()


def test_a_packer_that_fails_hands_nothing_on(agent: Agent) -> None:
    agent.program("bin/packer", PACKER)
    agent.variables["EXIT_CODE"] = "1"
    assert agent.run("build.sh", "packer").returncode == 1
    assert agent.words() == []


def test_an_agent_without_packer_says_so(agent: Agent) -> None:
    # Some machines have one.
    agent.variables["PATH"] = f"{agent.place}/bin:{agent.place}/few"
    for name in ("dirname", "sh", "env", "cat", "rm"):
        (agent.place / "few").mkdir(exist_ok=True)
        (agent.place / "few" / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    done = agent.run("build.sh", "packer")
    assert done.returncode == 3
    assert done.stderr == "error: BUILDER=packer, and this agent has no packer on PATH\n"


@pytest.mark.parametrize("words", [(), ("",), ("docker",)])
def test_any_other_builder_is_refused(agent: Agent, words: tuple[str, ...]) -> None:
    done = agent.run("build.sh", *words)
    assert done.returncode == 2
    assert "it may be bake or packer" in done.stderr
    assert agent.words() == []


@pytest.mark.parametrize(("code", "style"), [("0", "success"), ("5", "error")])
def test_verify_keeps_its_exit_code_and_shows_the_table(
    agent: Agent, code: str, style: str
) -> None:
    agent.run("build.sh", "bake")
    agent.variables["EXIT_CODE"] = code
    done = agent.run("verify.sh")
    assert done.returncode == int(code)
    assert f"amikiln verify images/cpu-build {IMAGE_ID} --verdict verdict.json" in agent.calls()
    assert agent.words()[-2:] == [
        "artifact upload verdict.json",
        f"annotate --style {style} --context cpu-build-ami-verify.sh",
    ]
    assert "table of verify" in done.stdout


def test_a_verify_without_a_verdict_uploads_none_of_an_earlier_one(agent: Agent) -> None:
    agent.run("build.sh", "bake")
    agent.run("verify.sh")
    agent.variables |= {"EXIT_CODE": "8", "NO_VERDICT": "yes"}
    before = agent.words()
    assert agent.run("verify.sh").returncode == 8
    assert "artifact upload verdict.json" not in agent.words()[len(before) :]


def test_publish_takes_the_verdict_that_verify_left(agent: Agent) -> None:
    agent.run("build.sh", "bake")
    agent.run("verify.sh")
    (agent.place / "repo/verdict.json").unlink()
    done = agent.run("publish.sh")
    assert done.returncode == 0, done.stderr
    assert (
        f"amikiln publish images/cpu-build {IMAGE_ID} --verdict verdict.json"
        " --result published.json" in agent.calls()
    )
    assert agent.words()[-3:] == [
        "artifact download verdict.json .",
        "artifact upload published.json",
        "annotate --style success --context cpu-build-ami-publish.sh",
    ]


def test_publish_without_a_verdict_does_nothing(agent: Agent) -> None:
    agent.run("build.sh", "bake")
    assert agent.run("publish.sh").returncode != 0
    assert not [call for call in agent.calls() if call.startswith("amikiln publish")]
