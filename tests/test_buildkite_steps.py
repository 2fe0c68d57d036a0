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

AMIKILN = r"""
echo "amikiln $*" >>"$CALLS"
echo "lease wait $AMIKILN_LEASE_WAIT" >>"$CALLS"
for given in ${AMIKILN_BAKE_FILES:-}; do
    echo "bake file $given has $(cat "${given#*=}")" >>"$CALLS"
done
case $1 in
plan) echo "table of $1"; printf '%s' "$PLANNED" >plan.json ;;
bake) echo "table of $1"; printf '{"image": {"id": "%s"}}' "$IMAGE_ID" >result.json ;;
verify) echo "table of $1"; [ -n "${NO_VERDICT:-}" ] || echo '{}' >verdict.json ;;
publish) echo '{}' >published.json ;;
*) echo "table of $1" ;;
esac
exit "${EXIT_CODE:-0}"
"""
PACKER = """
echo "packer $* in ${PWD##*/}, plan ${AMIKILN_PLAN##*/}" >>"$CALLS"
test -f "$AMIKILN_PLAN"
for given in ${AMIKILN_BAKE_FILES:-}; do
    echo "bake file $(cat "${given#*=}")" >>"$CALLS"
done
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
                "PLANNED": json.dumps({"source": {"name": "base 1", "root_device": "/dev/xvda"}}),
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


@pytest.fixture
def planned(agent: Agent) -> Agent:
    """An agent whose pipeline has been planned, by another agent."""
    assert agent.run("plan.sh").returncode == 0
    (agent.place / "repo/plan.json").unlink()
    (agent.place / "calls").unlink()
    (agent.place / "server/calls.jsonl").unlink()
    return agent


def test_plan_hands_on_what_it_found(agent: Agent) -> None:
    done = agent.run("plan.sh")
    assert done.returncode == 0, done.stderr
    assert agent.calls()[1] == "amikiln plan images/cpu-build --out plan.json"
    assert agent.words() == [
        "artifact upload plan.json",
        "annotate --style info --context cpu-build-ami-plan.sh",
    ]
    assert "```term\ntable of plan\n```" in agent.asked()[-1]["body"]


def test_a_plan_that_fails_hands_nothing_on(agent: Agent) -> None:
    agent.variables["EXIT_CODE"] = "3"
    assert agent.run("plan.sh").returncode == 3
    assert agent.words() == []


def test_a_step_that_is_retried_uses_the_plan_that_was_made(planned: Agent) -> None:
    (planned.place / "server/artifacts/plan.json").write_text("the plan")
    for left in (None, "of another build"):
        if left is not None:
            (planned.place / "repo/plan.json").write_text(left)
        assert planned.run("build.sh", "bake").returncode == 0
        assert (planned.place / "repo/plan.json").read_text() == "the plan"


@pytest.mark.parametrize("step", ["build.sh", "verify.sh", "publish.sh"])
def test_without_a_plan_nothing_is_done(planned: Agent, step: str) -> None:
    planned.run("build.sh", "bake")
    planned.run("verify.sh")
    (planned.place / "calls").unlink()
    (planned.place / "server/artifacts/plan.json").unlink()
    assert planned.run(step, *(["bake"] if step == "build.sh" else [])).returncode != 0
    assert [call for call in planned.calls() if call.startswith("amikiln")] == []


def test_build_bakes_and_hands_on_the_image_s_id(planned: Agent) -> None:
    done = planned.run("build.sh", "bake")
    assert done.returncode == 0, done.stderr
    assert planned.calls() == [
        "setup --pipeline",
        "amikiln bake images/cpu-build --plan plan.json --result result.json",
        "lease wait 20m",
    ]
    assert planned.words() == [
        "artifact download plan.json .",
        "artifact upload result.json",
        f"meta-data set cpu-build-ami {IMAGE_ID}",
        "annotate --style info --context cpu-build-ami-build.sh",
    ]
    assert "```term\ntable of bake\n```" in planned.asked()[-1]["body"]


def test_packer_builds_instead_and_its_newest_image_counts(planned: Agent) -> None:
    planned.program("bin/packer", PACKER)
    done = planned.run("build.sh", "packer")
    assert done.returncode == 0, done.stderr
    assert planned.calls()[1:] == [
        "packer init . in cpu, plan plan.json",
        "packer build -color=false -var source_ami_name=base 1 -var root_device=/dev/xvda"
        " buildkite-cpu-ami.pkr.hcl in cpu, plan plan.json",
    ]
    assert f"meta-data set cpu-build-ami {IMAGE_ID}" in planned.words()


def test_a_packer_that_fails_hands_nothing_on(planned: Agent) -> None:
    planned.program("bin/packer", PACKER)
    planned.variables["EXIT_CODE"] = "1"
    assert planned.run("build.sh", "packer").returncode == 1
    assert planned.words() == ["artifact download plan.json ."]


def test_an_agent_without_packer_says_so(planned: Agent) -> None:
    # Some machines have one.
    planned.variables["PATH"] = f"{planned.place}/bin:{planned.place}/few"
    for name in ("dirname", "sh", "env", "cat", "rm"):
        (planned.place / "few").mkdir(exist_ok=True)
        (planned.place / "few" / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    done = planned.run("build.sh", "packer")
    assert done.returncode == 3
    assert done.stderr == "error: BUILDER=packer, and this agent has no packer on PATH\n"


@pytest.mark.parametrize("words", [(), ("",), ("docker",)])
def test_any_other_builder_is_refused(planned: Agent, words: tuple[str, ...]) -> None:
    done = planned.run("build.sh", *words)
    assert done.returncode == 2
    assert "it may be bake or packer" in done.stderr
    assert planned.words() == []


@pytest.mark.parametrize(("code", "style"), [("0", "success"), ("5", "error")])
def test_verify_keeps_its_exit_code_and_shows_the_table(
    planned: Agent, code: str, style: str
) -> None:
    planned.run("build.sh", "bake")
    planned.variables["EXIT_CODE"] = code
    done = planned.run("verify.sh")
    assert done.returncode == int(code)
    assert (
        f"amikiln verify images/cpu-build {IMAGE_ID} --plan plan.json --verdict verdict.json"
        in planned.calls()
    )
    assert planned.words()[-2:] == [
        "artifact upload verdict.json",
        f"annotate --style {style} --context cpu-build-ami-verify.sh",
    ]
    assert "table of verify" in done.stdout


def test_a_verify_without_a_verdict_uploads_none_of_an_earlier_one(planned: Agent) -> None:
    planned.run("build.sh", "bake")
    planned.run("verify.sh")
    planned.variables |= {"EXIT_CODE": "8", "NO_VERDICT": "yes"}
    before = planned.words()
    assert planned.run("verify.sh").returncode == 8
    assert "artifact upload verdict.json" not in planned.words()[len(before) :]


def test_publish_takes_the_verdict_that_verify_left(planned: Agent) -> None:
    planned.run("build.sh", "bake")
    planned.run("verify.sh")
    (planned.place / "repo/verdict.json").unlink()
    done = planned.run("publish.sh")
    assert done.returncode == 0, done.stderr
    assert (
        f"amikiln publish images/cpu-build {IMAGE_ID} --plan plan.json --verdict verdict.json"
        " --result published.json" in planned.calls()
    )
    assert planned.words()[-3:] == [
        "artifact download verdict.json .",
        "artifact upload published.json",
        "annotate --style success --context cpu-build-ami-publish.sh",
    ]


def test_publish_without_a_verdict_does_nothing(planned: Agent) -> None:
    planned.run("build.sh", "bake")
    assert planned.run("publish.sh").returncode != 0
    assert not [call for call in planned.calls() if call.startswith("amikiln publish")]


GIVEN = "bake-config.json=ci/config.json overlay.hcl=/etc/hostname"


def test_bake_files_come_from_another_build_and_all_steps_use_the_same(agent: Agent) -> None:
    agent.program("bin/packer", PACKER)
    theirs = agent.place / "server/builds/b1/ci/config.json"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("ONE")
    stale = agent.place / "repo/ci/config.json"
    stale.parent.mkdir()
    stale.write_text("of a former build")
    agent.variables |= {"AMIKILN_BAKE_FILES": GIVEN, "BAKE_FILES_BUILD": "b1"}
    assert agent.run("plan.sh").returncode == 0
    assert "bake file bake-config.json=ci/config.json has ONE" in agent.calls()
    assert agent.words()[:3] == [
        "artifact download --build b1 ci/config.json .",
        "artifact upload plan.json",
        "artifact upload ci/config.json",
    ]
    theirs.write_text("TWO")
    for words in (["build.sh", "bake"], ["verify.sh"]):
        (agent.place / "calls").unlink()
        stale.unlink()
        done = agent.run(*words)
        assert done.returncode == 0, done.stderr
        assert "bake file bake-config.json=ci/config.json has ONE" in agent.calls()
        assert any(call.startswith("bake file overlay.hcl=/etc/hostname") for call in agent.calls())
    (agent.place / "calls").unlink()
    assert agent.run("build.sh", "packer").returncode == 0
    assert "bake file ONE" in agent.calls()


def test_bake_files_may_be_artifacts_of_the_same_build(agent: Agent) -> None:
    (agent.place / "server/artifacts").mkdir(parents=True)
    (agent.place / "server/artifacts/mine.hcl").write_text("MINE")
    agent.variables["AMIKILN_BAKE_FILES"] = "mine.hcl"
    assert agent.run("plan.sh").returncode == 0
    assert "bake file mine.hcl has MINE" in agent.calls()
    assert "artifact upload mine.hcl" not in agent.words()


def test_a_bake_file_that_is_no_artifact_ends_the_step(agent: Agent) -> None:
    agent.variables["AMIKILN_BAKE_FILES"] = "mine.hcl"
    assert agent.run("plan.sh").returncode != 0
    assert not [call for call in agent.calls() if call.startswith("amikiln")]
